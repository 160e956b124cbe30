/*
 * reach.c: how far an object of several parts will bring the head.
 */
#include "pure/reach.h"

#include <stdlib.h>

#include "pure/assert.h"
#include "pure/batch.h"

/* Of a part's rows so many percent are before the time that is taken for the median: some may be clock jumps (slm_few_rows()). */
#define EARLIER_PERCENT		40

bool
slm_reach_add(SlmReach *reach, SlmTime time)
{
	if (reach->n == reach->max)
	{
		uint32_t	max = reach->max == 0 ? 1 << 16 : reach->max * 2;
		SlmTime    *times = realloc(reach->times, max * sizeof(SlmTime));

		if (times == NULL)
			return false;
		reach->times = times;
		reach->max = max;
	}
	reach->times[reach->n++] = time;
	return true;
}

void
slm_reach_end_part(SlmReach *reach, uint32_t least)
{
	if (reach->n > 0 && reach->n >= least)
	{
		SlmTime		time = slm_select_time(reach->times, reach->n, (size_t) reach->n * EARLIER_PERCENT / 100);

		reach->head = time > reach->head ? time : reach->head;
	}
	reach->n = 0;
}

void
slm_reach_free(SlmReach *reach)
{
	free(reach->times);
	*reach = (SlmReach) {.head = reach->head};
}
