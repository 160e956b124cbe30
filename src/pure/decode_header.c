/*
 * decode_header.c: which columns of a file are what.
 */
#include "pure/decode_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "pure/event.h"
#include "pure/line.h"

static bool
same_name(SlmSlice cell, const char *name)
{
	SlmSlice	trimmed = slm_trim(cell);

	return trimmed.len == strlen(name) && strncasecmp(trimmed.data, name, trimmed.len) == 0;
}

/* The field of this name; -1 if there is none, -2 if there are two. */
static int
field_named(const SlmDecode *decode, const char *name)
{
	int			found = -1;

	for (uint32_t i = 0; i < decode->cut.nfields; i++)
	{
		if (same_name(decode->cut.field[i], name))
			found = found == -1 ? (int) i : -2;
	}
	return found;
}

static bool
missing(SlmDecode *decode, int role, const SlmFormatField *field, int found)
{
	char		name[128];

	decode->error = SLM_READ_ERROR_COLUMN;
	if (field->name == NULL)
		snprintf(decode->message, sizeof(decode->message), "there are %u columns, and the source's format has column %d for %s",
				 decode->cut.nfields, field->position, slm_role_name(role));
	else
	{
		slm_reject_detail(name, found == -1 ? "the header line lacks the column" : "the header line names twice the column",
						  (SlmSlice) {field->name, (uint32_t) strlen(field->name)}, NULL);
		snprintf(decode->message, sizeof(decode->message), "%s, which the source's format has for %s", name, slm_role_name(role));
	}
	return false;
}

/* Find the fields of a role. */
static bool
find_role(SlmDecode *decode, int role)
{
	const SlmFormatRole *of = &decode->format->role[role];

	decode->part[role][0] = -1;
	if (of->constant != NULL)
		return true;
	for (int i = 0; i < of->nfields; i++)
	{
		const SlmFormatField *field = &of->field[i];
		int			found = field->name != NULL ? field_named(decode, field->name)
			: field->position <= (int) decode->cut.nfields ? field->position - 1 : -1;

		if (found < 0)
			return missing(decode, role, field, found);
		decode->part[role][i] = found;
	}
	if (of->nfields == 0 && !decode->format->no_header)
	{
		const SlmFormatField own = {slm_role_name(role), 0};
		int			found = field_named(decode, own.name);

		if (found == -2)
			return missing(decode, role, &own, found);
		decode->part[role][0] = found;
	}
	return true;
}

/* Is the field one that a role has by itself?  Of joined ones each is kept. */
static bool
has_role(const SlmDecode *decode, uint32_t field)
{
	for (int r = 0; r < SLM_ROLES; r++)
	{
		if (decode->part[r][0] == (int) field && decode->format->role[r].nfields <= 1)
			return true;
	}
	return false;
}

/* The name under which a field goes out that has no role: never that of one. */
static bool
put_other_name(SlmDecode *decode, uint32_t field, bool first)
{
	SlmSlice	cell = decode->format->no_header ? (SlmSlice) {"", 0} : decode->cut.field[field];
	char		name[280];

	if (slm_trim(cell).len == 0)
		snprintf(name, sizeof(name), "column_%u", field + 1);
	else if (slm_role_named(cell) != SLM_ROLE_NONE)
		snprintf(name, sizeof(name), "file_%s", slm_role_name(slm_role_named(cell)));
	else
		return slm_decode_put_cell(decode, cell, first);
	return slm_decode_put_cell(decode, (SlmSlice) {name, (uint32_t) strlen(name)}, first);
}

static bool
put_header(SlmDecode *decode)
{
	decode->nout = 0;
	for (int r = 0; r < SLM_ROLES; r++)
	{
		const char *name = slm_role_name(r);

		if (decode->format->role[r].constant == NULL && decode->part[r][0] < 0)
			continue;
		if (!slm_decode_put_cell(decode, (SlmSlice) {name, (uint32_t) strlen(name)}, decode->nout++ == 0))
			return false;
	}
	for (uint32_t i = 0; i < decode->nothers; i++)
	{
		if (!put_other_name(decode, decode->others[i], decode->nout++ == 0))
			return false;
	}
	/* the line ends inside of the header's names stay there */
	return slm_decode_put_lines(decode, 1);
}

bool
slm_decode_is_header(const SlmDecode *decode)
{
	const int	time_field = decode->part[SLM_COL_EVENT_TIME][0];
	const SlmFormatRole *time = &decode->format->role[SLM_COL_EVENT_TIME];

	return time_field >= 0 && !decode->format->no_header && time_field < (int) decode->cut.nfields &&
		(time->nfields == 0 || time->field[0].name != NULL) &&
		same_name(decode->cut.field[time_field], time->nfields == 0 ? slm_role_name(SLM_COL_EVENT_TIME) : time->field[0].name);
}

bool
slm_decode_take_header(SlmDecode *decode, SlmSlice text)
{
	uint32_t   *others = realloc(decode->others, (decode->cut.nfields + 1) * sizeof(uint32_t));

	if (others == NULL)
		return false;
	decode->others = others;
	decode->nfields = decode->cut.nfields;
	for (int r = 0; r < SLM_ROLES; r++)
	{
		if (!find_role(decode, r))
			return false;
	}
	decode->nothers = 0;
	for (uint32_t i = 0; i < decode->nfields; i++)
	{
		if (!has_role(decode, i))
			decode->others[decode->nothers++] = i;
	}
	decode->known = true;
	decode->header.len = 0;
	if (!decode->format->no_header && !slm_text_add(&decode->header, text.data, text.len))
		return false;
	return put_header(decode);
}
