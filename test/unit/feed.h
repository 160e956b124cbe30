/*
 * feed.h: run a reader over some bytes and write down all that it says, for comparison.
 */
#ifndef SLM_UNIT_FEED_H
#define SLM_UNIT_FEED_H

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pure/reader.h"

typedef struct Transcript
{
	char	   *text;
	size_t		len;
	size_t		size;
	SlmReaderStats stats;
	SlmReadErrorCode error;
	uint64_t	events;
	uint64_t	rejects;
} Transcript;

__attribute__((format(printf, 2, 3), unused))
static void
note(Transcript *t, const char *format, ...)
{
	va_list		args;
	char		line[1024];
	size_t		n;

	va_start(args, format);
	n = (size_t) vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	if (n >= sizeof(line))
		n = sizeof(line) - 1;
	while (t->len + n + 1 > t->size)
		t->text = realloc(t->text, t->size = t->size * 2 + 4096);
	memcpy(t->text + t->len, line, n + 1);
	t->len += n;
}

/* FNV-1a, enough to tell long texts apart. */
__attribute__((unused))
static uint64_t
digest(SlmSlice s)
{
	uint64_t	h = UINT64_C(14695981039346656037);

	for (uint32_t i = 0; i < s.len; i++)
		h = (h ^ (uint8_t) s.data[i]) * UINT64_C(1099511628211);
	return h;
}

__attribute__((unused))
static void
note_text(Transcript *t, const char *name, SlmSlice s)
{
	if (s.len <= 100)
		note(t, " %s=[%.*s]", name, (int) s.len, s.data);
	else
		note(t, " %s=[%.40s... %u bytes %llx]", name, s.data, s.len, (unsigned long long) digest(s));
}

__attribute__((unused))
static void
note_row(Transcript *t, SlmReadStatus status, const SlmReadRow *row)
{
	const SlmEvent *e = &row->event;

	note(t, "%llu:", (unsigned long long) row->line);
	if (status == SLM_READ_REJECT)
	{
		t->rejects++;
		note(t, " %s %d (%s)", slm_reject_name(row->reject.reason), row->reject.column, row->reject.detail);
		note_text(t, "raw", row->raw);
	}
	else
	{
		t->events++;
		note(t, " %lld %s %lld %lld", (long long) e->time, slm_event_type_name(e->type), (long long) e->product_id,
			 (long long) e->price);
		if (e->has_category_id)
			note(t, " c%lld", (long long) e->category_id);
		if (e->has_user_id)
			note(t, " u%lld", (long long) e->user_id);
		if (e->more > 0)
			note(t, " q%d", slm_event_pieces(e));
		if (e->line != 0)
			note_text(t, "id", e->event_id);
		if (e->name.len > 0)
			note_text(t, "name", e->name);
		if (e->currency.len > 0)
			note_text(t, "in", e->currency);
		note_text(t, "code", e->category_code);
		note_text(t, "brand", e->brand);
		note_text(t, "session", e->session);
	}
	note(t, "\n");
}

#define ROWS_AHEAD	5

/*
 * All rows that can be had now, one by one or some ahead: all of them are read before the first is noted.  The status that ended
 * it.
 */
__attribute__((unused))
static SlmReadStatus
note_rows(Transcript *t, SlmReader *reader, bool ahead)
{
	for (;;)
	{
		SlmReadRow	rows[ROWS_AHEAD] = {0};
		SlmReadStatus status[ROWS_AHEAD];
		int			n = 1;

		status[0] = slm_reader_next(reader, &rows[0]);
		if (status[0] != SLM_READ_EVENT && status[0] != SLM_READ_REJECT)
			return status[0];
		while (ahead && n < ROWS_AHEAD && slm_reader_next_in_place(reader, &rows[n], &status[n]))
			n++;
		for (int i = 0; i < n; i++)
			note_row(t, status[i], &rows[i]);
	}
}

/* Rates of a currency by its length; those of one letter, and of time before a moment within the others' rows, have none. */
__attribute__((unused))
static bool
rate_by_length(void *arg, const char *currency, SlmTime time, SlmRate *found)
{
	(void) arg;
	found->from = strlen(currency) == 1 || time < 0 ? INT64_MIN : 0;
	found->until = strlen(currency) == 1 || time >= 0 ? INT64_MAX : 0;
	found->rate = (SlmRateValue) strlen(currency) * SLM_RATE_ONE / 2;
	return strlen(currency) > 1 && time >= 0;
}

/*
 * Feed the bytes in pieces: of `piece` bytes each, or all at once (0), or (negative) of random lengths drawn with that
 * seed, and with rows read ahead.  Each piece stands in memory of its own that is freed after use, so that the sanitizer sees any use after or
 * beyond.
 */
__attribute__((unused))
static Transcript
transcribe(const void *bytes, size_t len, long piece, int routine, SlmTime latest)
{
	SlmRates	rates = {.find = rate_by_length};
	SlmReaderOptions options = {.latest = latest,.rates = &rates};
	SlmReader  *reader = slm_reader_create(&options);
	Transcript	t = {0};
	SlmReadStatus status = SLM_READ_MORE;
	uint64_t	seed = (uint64_t) -piece;
	uint64_t	bytes_csv;
	size_t		at = 0;

	slm_reader_use_scan(reader, routine);
	note(&t, "%s", "");
	while (status == SLM_READ_MORE)
	{
		size_t		n = piece > 0 ? (size_t) piece : len;
		char	   *copy;

		if (piece < 0)
		{
			seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
			n = (seed >> 40) % ((seed >> 33) % 4 == 0 ? 70000 : 50);
		}
		if (n > len - at)
			n = len - at;
		copy = malloc(n + (n == 0));
		memcpy(copy, (const char *) bytes + at, n);
		at += n;
		slm_reader_feed(reader, copy, n, at == len);
		status = note_rows(&t, reader, piece < 0);
		free(copy);
		/* the reader must not ask for more than there is */
		if (status == SLM_READ_MORE && at == len && n == 0 && piece >= 0 && len > 0)
			break;
	}
	t.stats = *slm_reader_stats(reader);
	if (status == SLM_READ_FAILED)
	{
		const char *message;

		t.error = slm_reader_error(reader, &message);
		note(&t, "failed: %s\n", message);
	}
	else if (status != SLM_READ_END)
		note(&t, "did not end\n");
	/* how far it read ahead of a failure depends on the pieces */
	bytes_csv = t.error == SLM_READ_ERROR_NONE ? t.stats.bytes_csv : 0;
	note(&t, "rows %llu rejected %llu csv %llu unknown %d\n", (unsigned long long) t.stats.rows_total,
		 (unsigned long long) t.stats.rows_rejected, (unsigned long long) bytes_csv, t.stats.unknown_columns);
	slm_reader_free(reader);
	slm_rates_free(&rates);
	return t;
}

#endif							/* SLM_UNIT_FEED_H */
