/*
 * cut.c: records of files with delimiters, quotes and escapes of their own.
 */
#include "pure/cut.h"

#include <stdlib.h>
#include <string.h>

#include "pure/line.h"

enum
{
	OTHER,
	DELIMITER,
	LINE_END,
	QUOTE,
	BACKSLASH
};

/* Where a record is being cut. */
typedef struct Walk
{
	const char *p;
	const char *end;
	bool		ended;
} Walk;

void
slm_cut_init(SlmCut *cut, const SlmFormat *format)
{
	*cut = (SlmCut) {.format = format};
	if (format->quote != '\0')
		cut->kind[(uint8_t) format->quote] = QUOTE;
	if (format->backslash)
		cut->kind['\\'] = BACKSLASH;
	cut->kind['\n'] = cut->kind['\r'] = LINE_END;
	cut->kind[(uint8_t) format->delimiter] = DELIMITER;
}

void
slm_cut_free(SlmCut *cut)
{
	free(cut->field);
	free(cut->escaped);
	*cut = (SlmCut) {0};
}

static bool
add_field(SlmCut *cut, const char *from, const char *to, bool escaped)
{
	if (cut->nfields == cut->max)
	{
		uint32_t	max = cut->max == 0 ? 32 : 2 * cut->max;
		SlmSlice   *field = realloc(cut->field, max * sizeof(SlmSlice));
		uint8_t    *flags;

		if (field == NULL)
			return false;
		cut->field = field;
		flags = realloc(cut->escaped, max);
		if (flags == NULL)
			return false;
		cut->escaped = flags;
		cut->max = max;
	}
	cut->escaped[cut->nfields] = escaped;
	cut->field[cut->nfields++] = (SlmSlice) {from, (uint32_t) (to - from)};
	return true;
}

/* Is the line end at p all there, and how long is it?  0: not yet. */
static size_t
line_end_length(const Walk *walk)
{
	if (*walk->p == '\n')
		return 1;
	if (walk->p + 1 == walk->end && !walk->ended)
		return 0;
	return walk->p + 1 < walk->end && walk->p[1] == '\n' ? 2 : 1;
}

/* Go to what ends a field that has no quotes. */
static void
walk_plain(SlmCut *cut, Walk *walk, bool *escaped)
{
	for (;;)
	{
		uint8_t		kind = OTHER;

		while (walk->p < walk->end && ((kind = cut->kind[(uint8_t) *walk->p]) == OTHER || kind == QUOTE))
			walk->p++;
		if (walk->p == walk->end || kind != BACKSLASH)
			return;
		*escaped = true;
		if (++walk->p < walk->end)
			cut->lines += *walk->p++ == '\n';
	}
}

/* From behind the first quote to behind the last one; false if that is not there. */
static bool
walk_quoted(SlmCut *cut, Walk *walk, bool *escaped)
{
	const char	quote = cut->format->quote;

	for (; walk->p < walk->end; walk->p++)
	{
		char		c = *walk->p;

		if (c == quote)
		{
			if (walk->p + 1 == walk->end || walk->p[1] != quote)
			{
				walk->p++;
				return walk->p < walk->end || walk->ended;
			}
			*escaped = true;
			walk->p++;
		}
		else if (c == '\\' && cut->format->backslash && walk->p + 1 < walk->end)
		{
			*escaped = true;
			walk->p++;
		}
		cut->lines += *walk->p == '\n' || (*walk->p == '\r' && walk->p + 1 < walk->end && walk->p[1] != '\n');
	}
	return false;
}

/* One field, up to the delimiter or line end behind it. */
static SlmCutStatus
cut_field(SlmCut *cut, Walk *walk)
{
	const char *from = walk->p;
	const char *to;
	bool		escaped = false;

	if (walk->p < walk->end && cut->kind[(uint8_t) *walk->p] == QUOTE)
	{
		from = ++walk->p;
		if (!walk_quoted(cut, walk, &escaped))
			return walk->ended ? SLM_CUT_BROKEN : SLM_CUT_MORE;
		to = walk->p - 1;
		if (walk->p < walk->end && cut->kind[(uint8_t) *walk->p] != DELIMITER && cut->kind[(uint8_t) *walk->p] != LINE_END)
			return SLM_CUT_BROKEN;
	}
	else
	{
		walk_plain(cut, walk, &escaped);
		to = walk->p;
	}
	return add_field(cut, from, to, escaped) ? SLM_CUT_RECORD : SLM_CUT_MEMORY;
}

/* All fields of a record; *len up to its end, *whole with the line end. */
static SlmCutStatus
cut_record(SlmCut *cut, Walk *walk, const char *begin, size_t *len, size_t *whole)
{
	for (;;)
	{
		SlmCutStatus status = cut_field(cut, walk);
		size_t		line_end;

		if (status != SLM_CUT_RECORD)
			return status;
		*len = *whole = (size_t) (walk->p - begin);
		if (walk->p == walk->end)
			return walk->ended ? SLM_CUT_RECORD : SLM_CUT_MORE;
		if (cut->kind[(uint8_t) *walk->p] == DELIMITER)
		{
			walk->p++;
			continue;
		}
		line_end = line_end_length(walk);
		*whole += line_end;
		return line_end == 0 ? SLM_CUT_MORE : SLM_CUT_RECORD;
	}
}

/* The line at the text's beginning, whatever its quotes. */
static SlmCutStatus
cut_line(SlmCut *cut, SlmSlice text, bool ended, SlmCutStatus status, size_t *len, size_t *whole)
{
	Walk		walk = {.end = text.data + text.len,.ended = ended};

	cut->nfields = 0;
	cut->lines = 0;
	*len = *whole = slm_line_length(text.data, text.len);
	walk.p = text.data + *len;
	if (walk.p < walk.end)
	{
		size_t		line_end = line_end_length(&walk);

		if (line_end == 0)
			return SLM_CUT_MORE;
		*whole += line_end;
	}
	else if (!ended && status == SLM_CUT_BROKEN)
		return SLM_CUT_MORE;
	return status;
}

SlmCutStatus
slm_cut_next(SlmCut *cut, SlmSlice text, bool ended, size_t longest, size_t *len, size_t *whole)
{
	Walk		walk = {text.data, text.data + text.len, ended};
	SlmCutStatus status;

	cut->nfields = 0;
	cut->lines = 0;
	if (*text.data == '\n' || *text.data == '\r')
		return cut_line(cut, text, ended, SLM_CUT_RECORD, len, whole);
	status = cut_record(cut, &walk, text.data, len, whole);
	if (status == SLM_CUT_BROKEN)
		status = cut_line(cut, text, ended, SLM_CUT_BROKEN, len, whole);
	if (status == SLM_CUT_MORE && text.len > longest)
	{
		/* a quote that nobody has closed has swallowed lines that end */
		SlmCutStatus line = cut_line(cut, text, ended, SLM_CUT_BROKEN, len, whole);

		return line == SLM_CUT_BROKEN && *len < longest ? SLM_CUT_BROKEN : SLM_CUT_TOO_LONG;
	}
	return status == SLM_CUT_RECORD && *len > longest ? SLM_CUT_TOO_LONG : status;
}

/* Undo the escapes of a field where it stands. */
static void
undo(const SlmCut *cut, SlmSlice *field)
{
	char	   *out = (char *) (uintptr_t) field->data;
	const char *p = field->data;
	const char *end = p + field->len;
	const char	quote = cut->format->quote;

	while (p < end)
	{
		if (quote != '\0' && *p == quote && p + 1 < end && p[1] == quote)
			p++;
		/* what means nothing with a backslash keeps it: \N is a word for nothing */
		else if (*p == '\\' && cut->format->backslash && p + 1 < end &&
				 (p[1] == '\\' || p[1] == quote || p[1] == cut->format->delimiter || p[1] == '\n' || p[1] == '\r'))
			p++;
		*out++ = *p++;
	}
	field->len = (uint32_t) (out - field->data);
}

void
slm_cut_undo(SlmCut *cut)
{
	for (uint32_t i = 0; i < cut->nfields; i++)
	{
		if (cut->escaped[i])
			undo(cut, &cut->field[i]);
	}
}
