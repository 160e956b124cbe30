/*
 * forget_rows.c: see forget_rows.h.
 */
#include "postgres.h"

#include "archive/forget_rows.h"
#include "dedup/own_dimensions.h"
#include "miscadmin.h"
#include "pure/event.h"
#include "pure/header.h"
#include "pure/line.h"
#include "pure/number.h"
#include "pure/pseudonym.h"
#include "pure/records.h"
#include "pure/utf8.h"
#include "server/out_of_memory.h"

/* The shortest session that is looked for in text: a shorter one is found everywhere. */
#define LEAST_SESSION	8

static const char padding[SLM_PAD + 1] = "";

/* --- reading --- */

typedef struct Scan
{
	SlmRecords *records;
	int			column_cell[SLM_COLUMNS];
	int			own_cell[SLM_MAX_OWN];
	size_t		nfields;		/* of the header; 0: none that can be read */
	SlmSlice   *cells;
	size_t		max_cells;
	SlmPersonRowCallback callback;
	void	   *arg;
} Scan;

/* What the header's columns are. */
static void
take_header(Scan *scan, SlmSlice text)
{
	SlmHeader	header;
	SlmReadErrorCode code;
	char		message[SLM_MESSAGE_SIZE];
	int			known[SLM_MAX_OWN];

	scan->nfields = 0;
	(void) slm_header_own(text, slm_own(), scan->own_cell, known);
	for (int c = 0; c < SLM_COLUMNS; c++)
		scan->column_cell[c] = -1;
	if (!slm_header_parse(text, &header, &code, message))
		return;
	scan->nfields = header.nfields;
	memcpy(scan->column_cell, header.column_field, sizeof(scan->column_cell));
}

static void
take_record(Scan *scan, const SlmRawRecord *record)
{
	SlmPersonRow row = {.text = record->text,.header = record->header,.column_cell = scan->column_cell,
		.own_cell = scan->own_cell,.nown = slm_own()->nvalues};

	if (record->header)
		take_header(scan, record->text);
	else if (record->fits && scan->nfields > 0)
	{
		row.ncells = slm_record_fields(record->text, NULL, 0);
		if (row.ncells > scan->max_cells)
		{
			scan->max_cells = Max(row.ncells, 64);
			scan->cells = scan->cells ? repalloc_huge(scan->cells, sizeof(SlmSlice) * scan->max_cells)
				: MemoryContextAllocHuge(CurrentMemoryContext, sizeof(SlmSlice) * scan->max_cells);
		}
		(void) slm_record_fields(record->text, scan->cells, row.ncells);
		row.cells = scan->cells;
		row.fits = row.ncells >= scan->nfields;
	}
	scan->callback(&row, scan->arg);
}

static bool
unreadable(SlmStoreError *error, const char *why)
{
	*error = (SlmStoreError) {.kind = SLM_STORE_FATAL,.sqlstate = ERRCODE_DATA_CORRUPTED,.message = pstrdup(why)};
	return false;
}

/* All records of the bytes that were fed; false at the end of all, or with *error set. */
static bool
take_records(Scan *scan, SlmStoreError *error)
{
	SlmRawRecord record;

	for (;;)
	{
		switch (slm_records_next(scan->records, &record))
		{
			case SLM_RECORDS_ROW:
				take_record(scan, &record);
				break;
			case SLM_RECORDS_MORE:
			case SLM_RECORDS_END:
				return true;
			case SLM_RECORDS_DAMAGED:
				return unreadable(error, "its gzip data is damaged");
			case SLM_RECORDS_TOO_LONG:
				return unreadable(error, "it has a row that is too long");
			case SLM_RECORDS_MEMORY:
				slm_out_of_memory();
		}
	}
}

static bool
pump(Scan *scan, SlmTransfer *transfer, SlmStoreError *error)
{
	const char *data;
	size_t		len;

	for (;;)
	{
		CHECK_FOR_INTERRUPTS();
		switch (slm_transfer_read(transfer, SLM_WAIT_FOR_EVER, &data, &len, error))
		{
			case SLM_TRANSFER_DATA:
				slm_records_feed(scan->records, data, len, false);
				if (!take_records(scan, error))
					return false;
				break;
			case SLM_TRANSFER_END:
				slm_records_feed(scan->records, NULL, 0, true);
				return take_records(scan, error);
			default:
				return false;
		}
	}
}

bool
slm_person_rows(SlmStore *store, const char *key, const char *etag, bool archive, const SlmFormat *format, SlmPersonRowCallback callback, void *arg,
				SlmStoreError *error)
{
	Scan		scan = {.callback = callback,.arg = arg};
	SlmTransfer *transfer = slm_store_get(store, key, etag, 0);
	volatile bool ok = false;

	take_header(&scan, (SlmSlice) {padding, 0});
	PG_TRY();
	{
		scan.records = slm_records_create(archive, format);
		if (scan.records == NULL)
			slm_out_of_memory();
		ok = pump(&scan, transfer, error);
	}
	PG_FINALLY();
	{
		slm_records_free(scan.records);
		slm_transfer_close(transfer);
	}
	PG_END_TRY();
	if (scan.cells != NULL)
		pfree(scan.cells);
	return ok;
}

/* --- whose row it is --- */

/* What a cell of a column holds, without its quotes; empty if there is no such column. */
static SlmSlice
inside(const SlmPersonRow *row, SlmColumn column)
{
	int			cell = row->column_cell[column];

	return cell < 0 ? (SlmSlice) {padding, 0} : slm_cell_inside(row->cells[cell]);
}

static bool
has_id(const SlmPerson *person, const SlmPersonRow *row)
{
	int64_t		id;

	return row->fits && slm_parse_id(inside(row, SLM_COL_USER_ID), true, &id) && id == person->user_id;
}

void
slm_person_note_session(SlmPerson *person, const SlmPersonRow *row)
{
	SlmSlice	session;

	if (row->header || !has_id(person, row))
		return;
	session = slm_field_value(inside(row, SLM_COL_USER_SESSION));
	if (session.len > 0 && slm_interner_add(&person->sessions, &person->key, session) == SLM_NO_ENTRY)
		slm_out_of_memory();
}

/* As slm_interner_add() finds it, but what is not known does not become so. */
static bool
has_session(const SlmPerson *person, SlmSlice session)
{
	const SlmInterner *sessions = &person->sessions;
	uint32		mask = sessions->nslots - 1;

	if (session.len == 0 || sessions->nslots == 0)
		return false;
	for (uint32 s = (uint32) slm_hash_bytes(&person->key, 0, session.data, session.len) & mask; sessions->slots[s] != 0; s = (s + 1) & mask)
	{
		SlmSlice	known = sessions->entries[sessions->slots[s] - 1].text;

		if (known.len == session.len && memcmp(known.data, session.data, known.len) == 0)
			return true;
	}
	return false;
}

static bool
is_word_byte(char c)
{
	return isalnum((unsigned char) c) || c == '_' || c == '.' || (unsigned char) c >= 0x80;
}

static bool
stands_in(SlmSlice text, const char *word, size_t len, bool whole)
{
	const char *at = text.data;
	const char *end = text.data + text.len;

	while ((at = memmem(at, end - at, word, len)) != NULL)
	{
		if (!whole || ((at == text.data || !is_word_byte(at[-1])) && (at + len == end || !is_word_byte(at[len]))))
			return true;
		at++;
	}
	return false;
}

bool
slm_person_has(const SlmPerson *person, const SlmPersonRow *row)
{
	if (row->fits)
		return has_id(person, row) || has_session(person, slm_field_value(inside(row, SLM_COL_USER_SESSION)));
	if (stands_in(row->text, person->digits, strlen(person->digits), true))
		return true;
	for (uint32 i = 0; i < person->sessions.nentries; i++)
	{
		SlmSlice	session = person->sessions.entries[i].text;

		if (session.len >= LEAST_SESSION && stands_in(row->text, session.data, session.len, false))
			return true;
	}
	return false;
}

/* --- without it --- */

static void
add(SlmText *out, const char *data, size_t len)
{
	if (!slm_text_add(out, data, len))
		slm_out_of_memory();
}

/* Would the reader make an event of these cells? */
static bool
is_event(const SlmPersonRow *row)
{
	SlmSlice	field[SLM_COLUMNS];
	SlmTimeCache cache = {0};
	SlmEvent	event;
	SlmReject	reject;

	for (int c = 0; c < SLM_COLUMNS; c++)
		field[c] = inside(row, c);
	return slm_utf8_check(row->text.data, row->text.len) == row->text.len && slm_event_parse(field, &cache, PG_INT64_MAX, NULL, &event, &reject) &&
		slm_event_parse_more(field, &event, &reject);
}

static void
add_session(const SlmPerson *person, const SlmPersonRow *row, SlmText *out)
{
	SlmSlice	session = slm_field_value(inside(row, SLM_COL_USER_SESSION));
	char		pseudonym[SLM_PSEUDONYM_LEN];
	int64_t		product;

	if (session.len == 0 || !slm_product_of_field(inside(row, SLM_COL_PRODUCT_ID), &product))
		return;
	slm_pseudonym_write(&person->key, session, product, pseudonym);
	add(out, pseudonym, sizeof(pseudonym));
}

/* A view is known by its session. */
static void
add_event_id(const SlmPerson *person, const SlmPersonRow *row, SlmText *out)
{
	SlmSlice	id = slm_field_value(inside(row, SLM_COL_EVENT_ID));
	char		pseudonym[SLM_PSEUDONYM_LEN];
	int64_t		product;
	SlmEventType type;

	if (id.len == 0 || !slm_product_of_field(inside(row, SLM_COL_PRODUCT_ID), &product) ||
		!slm_parse_event_type(inside(row, SLM_COL_EVENT_TYPE), &type) || type == SLM_VIEW)
		return;
	slm_pseudonym_write_id(&person->key, id, product, type, pseudonym);
	add(out, pseudonym, sizeof(pseudonym));
}

/* Does a cell tell of nobody, or of somebody else: is it one that sums are made of, or another user's id? */
static bool
is_kept(const SlmPerson *person, const SlmPersonRow *row, int cell)
{
	int64_t		id;

	for (int c = 0; c < SLM_COLUMNS; c++)
	{
		if (row->column_cell[c] == cell)
			return c == SLM_COL_USER_ID ? slm_parse_id(inside(row, c), true, &id) && id != person->user_id : c != SLM_COL_USER_SESSION && c != SLM_COL_EVENT_ID;
	}
	for (uint32 i = 0; i < row->nown; i++)
	{
		if (row->own_cell[i] == cell)
			return true;
	}
	return false;
}

/* The line that was added from start on: would it be an event? */
static bool
line_is_event(const SlmPersonRow *row, const SlmText *out, size_t start)
{
	size_t		len = out->len - start;
	char	   *copy = palloc0(len + SLM_PAD);
	SlmPersonRow now = *row;
	bool		result;

	memcpy(copy, out->data + start, len);
	now.text = (SlmSlice) {copy, (uint32) len};
	now.cells = palloc(sizeof(SlmSlice) * row->ncells);
	result = slm_record_fields(now.text, now.cells, row->ncells) == row->ncells && is_event(&now);
	pfree(now.cells);
	pfree(copy);
	return result;
}

void
slm_person_forget(const SlmPerson *person, const SlmPersonRow *row, SlmText *out, bool *turned)
{
	static const char nothing[] = "\"forgotten\"";
	size_t		start = out->len;

	*turned = false;
	if (row->fits)
	{
		for (size_t i = 0; i < row->ncells; i++)
		{
			if (i > 0)
				add(out, ",", 1);
			if ((int) i == row->column_cell[SLM_COL_USER_SESSION])
				add_session(person, row, out);
			else if ((int) i == row->column_cell[SLM_COL_EVENT_ID])
				add_event_id(person, row, out);
			else if (is_kept(person, row, (int) i))
				add(out, row->cells[i].data, row->cells[i].len);
		}
		*turned = !is_event(row) && line_is_event(row, out, start);
	}
	else
		add(out, nothing, sizeof(nothing) - 1);
	add(out, "\n", 1);
}
