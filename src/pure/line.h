/*
 * line.h: single lines of text, before it is known what they are.
 */
#ifndef SLM_PURE_LINE_H
#define SLM_PURE_LINE_H

#include <string.h>

#include "pure/csv.h"

/* How many of the bytes stand before the first CR or newline; all if there is none. */
extern size_t slm_line_length(const char *data, size_t len);

/*
 * The cells of a line one by one, as they stand: cuts the next one off *rest, with its quotes if it has any, and returns
 * false when there are no more.  Begin with rest->data not NULL (an empty line has one empty cell).  *sound is cleared if a
 * quote is not closed, or not at a cell's end; it is taken for a character then.
 */
extern bool slm_line_cell(SlmSlice *rest, SlmSlice *cell, bool *sound);

/* Is s, with ASCII capitals taken as small letters, the small name? */
static inline bool
slm_is_name(SlmSlice s, const char *name)
{
	size_t		len = strlen(name);

	if (s.len != len)
		return false;
	for (size_t i = 0; i < len; i++)
	{
		char		c = s.data[i];

		if (c >= 'A' && c <= 'Z')
			c += 'a' - 'A';
		if (c != name[i])
			return false;
	}
	return true;
}

/* A cell without its outer quotes, if it has both, and nothing else undone. */
extern SlmSlice slm_cell_inside(SlmSlice cell);

/*
 * Is a record a whole row of the header that csv has: as many fields (but for those without a name at the end), and a time, an event type, a product and a price where
 * they belong?  line: followed by SLM_PAD readable bytes.
 */
extern bool slm_line_is_row(const SlmCsv *csv, SlmSlice line);

/*
 * A record of several lines: is one of those behind the first, taken by itself, a whole row?  The last one, which ends the quotes,
 * looks like one too where a field of several lines is the first of its row: so it counts only if the first line is a whole
 * row as well, its quote taken for a character.
 */
extern bool slm_record_holds_row(const SlmCsv *csv, SlmSlice record);

#endif							/* SLM_PURE_LINE_H */
