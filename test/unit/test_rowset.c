/*
 * Sets of rows: what is put in is what is found, whatever the runs.
 */
#include "pure/rowset.h"
#include "unit.h"

#define ROWS	5000

int
main(void)
{
	static bool in[ROWS];
	uint64_t	state = 7;
	bool		ok = true;
	size_t		most = 0;

	for (int round = 0; round < 300; round++)
	{
		SlmRowSet	set = {0};
		SlmRowSetReader reader;
		uint64_t	base = round % 3 == 0 ? UINT64_C(1) << 40 : 0;
		char	   *copy;

		for (int i = 0; i < ROWS; i++)
		{
			state = state * UINT64_C(6364136223846793005) + 1442695040888963407;
			in[i] = i > 0 && (state >> 40) % (uint64_t) (2 + round) != 0 ? in[i - 1] : (state >> 33) % 2 == 0;
			if (in[i])
				ok &= slm_row_set_add(&set, base + (uint64_t) i);
		}
		ok &= slm_row_set_finish(&set);
		most = set.len > most ? set.len : most;
		copy = malloc(set.len + 1);	/* nothing behind it may be read */
		memcpy(copy, set.len > 0 ? set.data : "", set.len);
		slm_row_set_read(&reader, copy, set.len);
		for (int i = 0; i < ROWS; i += 1 + round % 4)
			ok &= slm_row_set_has(&reader, base + (uint64_t) i) == in[i];
		ok &= !slm_row_set_has(&reader, base + ROWS + 1);
		slm_row_set_read(&reader, copy, set.len);
		for (int i = 0; i < ROWS; i++)
		{
			uint64_t	row;

			if (in[i])
				ok &= slm_row_set_next(&reader, &row) && row == base + (uint64_t) i;
		}
		ok &= !slm_row_set_next(&reader, &(uint64_t) {0});
		free(copy);
		slm_row_set_free(&set);
	}
	UNIT_OK(ok, "random sets");
	UNIT_OK(most < 2 * ROWS, "... are small");
	{
		SlmRowSetReader reader;

		slm_row_set_read(&reader, "\x85", 1);
		UNIT_OK(!slm_row_set_has(&reader, 5), "what is damaged is empty");
	}
	return unit_done();
}
