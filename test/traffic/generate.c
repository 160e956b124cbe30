/*
 * generate.c: second by second, as many events as the hour of the day brings.
 */
#include "generate.h"

#include <string.h>

#include "faults.h"

/* How busy the shop is. */
typedef struct Volume
{
	Rng			rng;
	double		wobble;			/* logarithm of the present deviation */
	int64_t		minute;
} Volume;

/* Mean events in this second. */
static double
volume_at(Volume *volume, const Options *options, int64_t second)
{
	double		hour = (double) (second % 86400) / 3600.0;
	double		mean = options->rate / 60.0;

	if (options->day_curve > 0)
		mean *= 1.0 + options->day_curve * cos(2.0 * M_PI * (hour - 16.0) / 24.0);
	if (options->week_curve > 0)
	{
		int			weekday = (int) ((second / 86400 + 3) % 7); /* 0: Monday */

		mean *= 1.0 - options->week_curve * (weekday == 5 ? 1.0 : weekday == 6 ? 0.5 : 0.0);
	}
	if (options->wobble > 0)
	{
		/* A random walk that is pulled back, of deviation options->wobble, with a memory of about an hour. */
		if (volume->minute != second / 60)
			volume->wobble = 0.98 * volume->wobble + 0.199 * options->wobble * rng_gauss(&volume->rng);
		volume->minute = second / 60;
		mean *= exp(volume->wobble);
	}
	return mean;
}

void
generate(const Options *options)
{
	Catalogue	catalogue;
	Visitors	visitors;
	Volume		volume = {.minute = -1};
	Files		files;
	Faults		faults;
	int64_t		end = options->minutes > 0 ? options->start + options->minutes * 60 : INT64_MAX;
	int64_t		left = options->events > 0 ? options->events : INT64_MAX;

	catalogue_build(&catalogue, options);
	catalogue_set_day(&catalogue, options->start / 86400);
	catalogue_set_minute(&catalogue, options->start / 60);
	if (options->catalogue != NULL)
		catalogue_write(&catalogue, options->catalogue);
	visitors_start(&visitors, &catalogue, options);
	rng_seed(&volume.rng, options->seed, STREAM_VOLUME);
	files_open(&files, options, options->start);
	faults_plan(&faults, options, &catalogue, &files);
	for (int64_t second = options->start; second < end && left > 0 && !stopped; second++)
	{
		Event		event = {.second = second};
		int64_t		n;

		if (second % 86400 == 0)
			catalogue_set_day(&catalogue, second / 86400);
		if (second % 60 == 0)
			catalogue_set_minute(&catalogue, second / 60);
		faults_second(&faults, second);
		n = rng_poisson(&volume.rng, faults.rate * volume_at(&volume, options, second));
		files_time(&files, second);
		for (; left > 0 && faults_extra(&faults, second, &event); left--)
			files_event(&files, &event);
		n = n < left ? n : left;
		for (int64_t i = 0; i < n; i++)
		{
			event.usec = (int32_t) (i * 1000000 / n);
			visitors_next(&visitors, &event);
			faults_event(&faults, &event);
			files_event(&files, &event);
		}
		left -= n;
	}
	files_close(&files);
}
