/*
 * rng.h: random numbers that are the same everywhere for the same seed.
 *
 * xoshiro256++ (Blackman and Vigna, "Scrambled linear pseudorandom number generators", 2019), seeded through
 * SplitMix64 (Steele, Lea and Flood, 2014).  Each concern (catalogue, traffic, files, bad rows, ...) draws from a
 * stream of its own, so that asking for bad rows does not change the traffic they are mixed into.
 */
#ifndef TRAFFIC_RNG_H
#define TRAFFIC_RNG_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct Rng
{
	uint64_t	s[4];
} Rng;

/* One stream a concern; the values are mixed into the seed. */
typedef enum RngStream
{
	STREAM_CATALOGUE = 1,
	STREAM_TRAFFIC,
	STREAM_VOLUME,
	STREAM_DEAL,
	STREAM_FILES,
	STREAM_ROWS,
	STREAM_BAD,
	STREAM_FAULTS
} RngStream;

/* A good 64-bit mix of one number; also usable as a hash. */
static inline uint64_t
rng_mix(uint64_t x)
{
	x += UINT64_C(0x9e3779b97f4a7c15);
	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

static inline void
rng_seed(Rng *rng, uint64_t seed, RngStream stream)
{
	uint64_t	x = rng_mix(seed) ^ rng_mix(UINT64_C(0x5e110) + stream);

	for (int i = 0; i < 4; i++)
		rng->s[i] = rng_mix(x + (uint64_t) i * UINT64_C(0x9e3779b97f4a7c15));
}

static inline uint64_t
rng_rotl(uint64_t x, int k)
{
	return (x << k) | (x >> (64 - k));
}

static inline uint64_t
rng_next(Rng *rng)
{
	uint64_t   *s = rng->s;
	uint64_t	result = rng_rotl(s[0] + s[3], 23) + s[0];
	uint64_t	t = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = rng_rotl(s[3], 45);
	return result;
}

/* A number in [0, 1). */
static inline double
rng_double(Rng *rng)
{
	return (double) (rng_next(rng) >> 11) * 0x1.0p-53;
}

/* A number in 0 .. n - 1, by multiply and shift: the bias of at most n / 2^32 does not matter here. */
static inline uint32_t
rng_below(Rng *rng, uint32_t n)
{
	return (uint32_t) (((rng_next(rng) >> 32) * (uint64_t) n) >> 32);
}

static inline bool
rng_chance(Rng *rng, double p)
{
	return rng_double(rng) < p;
}

/* Mean 0, deviation 1 (Box and Muller, one of the pair). */
static inline double
rng_gauss(Rng *rng)
{
	double		u = 1.0 - rng_double(rng);
	double		v = rng_double(rng);

	return sqrt(-2.0 * log(u)) * cos(2.0 * M_PI * v);
}

/* Poisson: by multiplication for a small mean, by the rounded normal for a large one. */
static inline int64_t
rng_poisson(Rng *rng, double mean)
{
	if (mean > 60)
	{
		double		x = mean + sqrt(mean) * rng_gauss(rng);

		return x < 0 ? 0 : (int64_t) (x + 0.5);
	}

	double		limit = exp(-mean);
	double		product = rng_double(rng);
	int64_t		n = 0;

	while (product > limit)
	{
		product *= rng_double(rng);
		n++;
	}
	return n;
}

/* A geometric number >= 0 with the given mean. */
static inline int
rng_geometric(Rng *rng, double mean)
{
	if (mean <= 0)
		return 0;
	return (int) (log(1.0 - rng_double(rng)) / log(mean / (1.0 + mean)));
}

#endif							/* TRAFFIC_RNG_H */
