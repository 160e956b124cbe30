/*
 * csv_walk.c: where a record ends that is not plain: one position at a time, with what quotes mean.
 */
#include "pure/csv_internal.h"

typedef enum QuoteMeaning
{
	QUOTE_CLOSES,
	QUOTE_DOUBLED,
	QUOTE_MALFORMED,
	QUOTE_UNKNOWN				/* what follows it is not there yet */
} QuoteMeaning;

/* What the quote at p, inside quotes, means. */
static QuoteMeaning
quote_meaning(const SlmCsv *csv, size_t p)
{
	if (p + 1 == csv->filled)
		return csv->ended ? QUOTE_CLOSES : QUOTE_UNKNOWN;
	switch (csv->buf[p + 1])
	{
		case '"':
			return QUOTE_DOUBLED;
		case ',':
		case '\n':
		case '\r':
			return QUOTE_CLOSES;
		default:
			return QUOTE_MALFORMED;
	}
}

/* A CR or newline inside quotes. */
static SlmCsvWalkResult
walk_quoted_line_end(SlmCsv *csv, size_t p)
{
	SlmCsvWalk *walk = &csv->walk;
	SlmCsvLineEnd end = slm_csv_line_end(csv, p);

	if (end != SLM_CSV_LINE_ENDS)
		return end == SLM_CSV_LINE_UNKNOWN ? SLM_WALK_WAIT : SLM_WALK_ON;
	if (!walk->has_newline)
	{
		walk->has_newline = true;
		walk->newline = p - csv->start;
		walk->newline_cursor = csv->cursor + 1;
		if (walk->malformed)
			return SLM_WALK_BAD_QUOTE;
	}
	walk->newlines++;
	return SLM_WALK_ON;
}

/* One position inside quotes; limit: the last offset that counts for this record. */
static SlmCsvWalkResult
walk_quoted(SlmCsv *csv, size_t p, size_t limit)
{
	SlmCsvWalk *walk = &csv->walk;

	if (csv->buf[p] == '\n' || csv->buf[p] == '\r')
		return walk_quoted_line_end(csv, p);
	if (csv->buf[p] == '"' && !walk->malformed)
	{
		if (p >= limit || (walk->twin != 0 && p - csv->start == walk->twin))
			return SLM_WALK_ON;
		switch (quote_meaning(csv, p))
		{
			case QUOTE_CLOSES:
				walk->in_quotes = false;
				break;
			case QUOTE_DOUBLED:
				walk->twin = p + 1 - csv->start;
				break;
			case QUOTE_MALFORMED:
				walk->malformed = true;
				if (walk->has_newline)
					return SLM_WALK_BAD_QUOTE;
				break;
			case QUOTE_UNKNOWN:
				return SLM_WALK_WAIT;
		}
	}
	return SLM_WALK_ON;
}

SlmCsvWalkResult
slm_csv_walk(SlmCsv *csv, size_t *end)
{
	SlmCsvWalk *walk = &csv->walk;
	size_t		limit = csv->start + SLM_MAX_RECORD;

	walk->begun = true;
	for (; csv->cursor < csv->npositions; csv->cursor++)
	{
		size_t		p = csv->positions[csv->cursor];

		if (p > limit)
			break;
		if (walk->in_quotes)
		{
			SlmCsvWalkResult result = walk_quoted(csv, p, limit);

			if (result != SLM_WALK_ON)
				return result;
		}
		else if (csv->buf[p] == ',')
			walk->field = p + 1 - csv->start;
		else if (csv->buf[p] != '"')
		{
			SlmCsvLineEnd meaning = slm_csv_line_end(csv, p);

			if (meaning == SLM_CSV_LINE_UNKNOWN)
				return SLM_WALK_WAIT;
			if (meaning == SLM_CSV_LINE_ENDS)
			{
				csv->cursor++;
				*end = p;
				return SLM_WALK_RECORD;
			}
		}
		else if (p - csv->start == walk->field)
			walk->in_quotes = true;
	}
	if (csv->scanned > limit)
		return walk->in_quotes ? SLM_WALK_BAD_QUOTE : SLM_WALK_TOO_LONG;
	if (csv->scanned < csv->filled || !csv->ended)
		return SLM_WALK_WAIT;
	*end = csv->filled;
	if (walk->in_quotes)
		return SLM_WALK_BAD_QUOTE;
	return csv->start < csv->filled ? SLM_WALK_RECORD : SLM_WALK_END;
}
