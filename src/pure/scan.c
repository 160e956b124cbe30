/*
 * scan.c: find the commas, line ends and quotes of a block; scalar reference, AVX2 and AVX-512.
 *
 * The SIMD routines classify with one shuffle: the four characters differ in their low four bits, so a table
 * indexed by these bits holds the only character with them that counts, and a byte counts if it equals its entry.
 */
#include "pure/scan.h"

#if defined(__x86_64__)
#define SLM_SCAN_X86
#include <immintrin.h>
#endif

static size_t
scan_scalar(const uint8_t *data, size_t len, uint32_t base, uint32_t *out, bool *dirty)
{
	size_t		n = 0;
	bool		odd = false;

	for (size_t i = 0; i < len; i++)
	{
		uint8_t		c = data[i];

		out[n] = base + (uint32_t) i;
		n += (c == ',') | (c == '\n') | (c == '\r') | (c == '"');
		/* wraps for NUL, so that one comparison finds both */
		odd |= (uint8_t) (c - 1) >= 0x7f;
	}
	if (odd)
		*dirty = true;
	return n;
}

#ifdef SLM_SCAN_X86

/*
 * Entry x is the character among , (0x2c) \n (0x0a) \r (0x0d) " (0x22) whose low bits are x, elsewhere a byte whose
 * own low bits are not x and so never equals one that came here.  For bytes above 0x7f the shuffle gives 0, no match either.
 */
#define CLASS_TABLE	-1, 0, '"', 0, 0, 0, 0, 0, 0, 0, '\n', 0, ',', '\r', 0, 0

__attribute__((target("avx2,bmi,popcnt")))
static size_t
scan_avx2(const uint8_t *data, size_t len, uint32_t base, uint32_t *out, bool *dirty)
{
	const __m256i table = _mm256_setr_epi8(CLASS_TABLE, CLASS_TABLE);
	__m256i		all = _mm256_setzero_si256();
	__m256i		least = _mm256_set1_epi8(1);
	uint32_t   *next = out;
	size_t		i = 0;

	for (; i + 64 <= len; i += 64)
	{
		__m256i		a = _mm256_loadu_si256((const __m256i *) (data + i));
		__m256i		b = _mm256_loadu_si256((const __m256i *) (data + i + 32));
		uint32_t	low = (uint32_t) _mm256_movemask_epi8(_mm256_cmpeq_epi8(_mm256_shuffle_epi8(table, a), a));
		uint32_t	high = (uint32_t) _mm256_movemask_epi8(_mm256_cmpeq_epi8(_mm256_shuffle_epi8(table, b), b));
		uint64_t	bits = (uint64_t) high << 32 | low;
		int			count = (int) _mm_popcnt_u64(bits);
		uint32_t	at = base + (uint32_t) i;

		all = _mm256_or_si256(all, _mm256_or_si256(a, b));
		least = _mm256_min_epu8(least, _mm256_min_epu8(a, b));

		/* Eight at a time whether they are there or not: a branch per bit would be mispredicted. */
		for (int done = 0; done < count; done += 8)
		{
			for (int k = 0; k < 8; k++)
			{
				next[done + k] = at + (uint32_t) _tzcnt_u64(bits);
				bits = _blsr_u64(bits);
			}
		}
		next += count;
	}
	if (_mm256_movemask_epi8(all) != 0 ||
		_mm256_movemask_epi8(_mm256_cmpeq_epi8(least, _mm256_setzero_si256())) != 0)
		*dirty = true;
	return (size_t) (next - out) + scan_scalar(data + i, len - i, base + (uint32_t) i, next, dirty);
}

static bool
can_avx2(void)
{
	return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") && __builtin_cpu_supports("popcnt");
}

/* Sixteen offsets in a block, as bytes, added to where the block is. */
#define STORE_16(to, bytes)	_mm512_storeu_si512((to), _mm512_add_epi32(at, _mm512_cvtepu8_epi32(bytes)))

__attribute__((target("avx512f,avx512bw,avx512vbmi2,popcnt")))
static size_t
scan_avx512(const uint8_t *data, size_t len, uint32_t base, uint32_t *out, bool *dirty)
{
	const __m512i table = _mm512_broadcast_i32x4(_mm_setr_epi8(CLASS_TABLE));
	const __m512i step = _mm512_set1_epi32(64);
	const __m128i sixteen = _mm_set1_epi8(16);
	const __m128i ramp = _mm_setr_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
	__m512i		index = _mm512_inserti32x4(_mm512_castsi128_si512(ramp), _mm_add_epi8(ramp, sixteen), 1);
	__m512i		at = _mm512_set1_epi32((int) base);
	__m512i		all = _mm512_setzero_si512();
	__m512i		least = _mm512_set1_epi8(1);
	uint32_t   *next = out;
	size_t		i = 0;

	index = _mm512_inserti32x4(index, _mm_add_epi8(ramp, _mm_set1_epi8(32)), 2);
	index = _mm512_inserti32x4(index, _mm_add_epi8(ramp, _mm_set1_epi8(48)), 3);

	for (; i + 64 <= len; i += 64)
	{
		__m512i		v = _mm512_loadu_si512(data + i);
		__mmask64	bits = _mm512_cmpeq_epi8_mask(_mm512_shuffle_epi8(table, v), v);
		int			count = (int) _mm_popcnt_u64(bits);
		__m512i		found = _mm512_maskz_compress_epi8(bits, index);

		all = _mm512_or_si512(all, v);
		least = _mm512_min_epu8(least, v);

		STORE_16(next, _mm512_castsi512_si128(found));
		if (count > 16)
		{
			STORE_16(next + 16, _mm512_extracti32x4_epi32(found, 1));
			STORE_16(next + 32, _mm512_extracti32x4_epi32(found, 2));
			STORE_16(next + 48, _mm512_extracti32x4_epi32(found, 3));
		}
		next += count;
		at = _mm512_add_epi32(at, step);
	}
	if (_mm512_movepi8_mask(all) != 0 || _mm512_cmpeq_epi8_mask(least, _mm512_setzero_si512()) != 0)
		*dirty = true;
	return (size_t) (next - out) + scan_scalar(data + i, len - i, base + (uint32_t) i, next, dirty);
}

static bool
can_avx512(void)
{
	return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
		__builtin_cpu_supports("avx512vbmi2") && __builtin_cpu_supports("popcnt");
}

#endif							/* SLM_SCAN_X86 */

const SlmScanRoutine *
slm_scan_routines(int *count)
{
	static SlmScanRoutine routines[3];
	int			n = 0;

	routines[n++] = (SlmScanRoutine) {"scalar", scan_scalar};
#ifdef SLM_SCAN_X86
	__builtin_cpu_init();
	if (can_avx2())
		routines[n++] = (SlmScanRoutine) {"avx2", scan_avx2};
	if (can_avx512())
		routines[n++] = (SlmScanRoutine) {"avx512", scan_avx512};
#endif
	*count = n;
	return routines;
}

SlmScanFunction
slm_scan_best(void)
{
	static SlmScanFunction best = NULL;

	if (best == NULL)
	{
		int			n;
		const SlmScanRoutine *routines = slm_scan_routines(&n);

		best = routines[n - 1].scan;
	}
	return best;
}
