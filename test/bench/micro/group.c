/*
 * group.c: what each step between events and rows costs.  Makes events of a shop in memory (a tenth of the products get most of
 * them, three views in ten are repeated) and times, best of several rounds:
 *
 *   offers        slm_dictionary_offer(): what a row names becomes a number
 *   group         slm_batch_add(): rows to groups and views
 *   pack, unpack  the batch serialized, to another process and into its batch
 *   views once    slm_batch_deduplicate_views(): half of the session's views are known already; a table, by one thread, and runs, by two
 *   view log      slm_viewlog_pack() of what is new
 *   cells, deltas slm_cells_make(), and slm_deltas_make() and slm_deltas_coarsen() of all five dimensions
 *
 *   group [rows]        default 1000000
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "pure/deltas.h"
#include "pure/memory.h"
#include "pure/serialize.h"
#include "pure/viewlog.h"

#define ROUNDS		5
#define PRODUCTS	20000
#define MINUTES		25
#define RUNS		4

static uint64_t seed = 42;

static uint64_t
draw(uint64_t n)
{
	seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (seed >> 33) % n;
}

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double) t.tv_sec + (double) t.tv_nsec * 1e-9;
}

static void
check(bool ok, const char *what)
{
	if (!ok)
	{
		fprintf(stderr, "%s failed\n", what);
		exit(1);
	}
}

typedef struct Texts
{
	char		category[PRODUCTS][40];
	char		brand[PRODUCTS][16];
} Texts;

/* Events, and the same as rows of a chunk. */
typedef struct Input
{
	long		n;
	SlmEvent   *events;
	SlmChunkRow *rows;
	SlmHashKey	key;
	Texts	   *texts;
} Input;

static void
make_events(Input *in)
{
	for (int p = 0; p < PRODUCTS; p++)
	{
		sprintf(in->texts->category[p], "group%d.kind%d.sort%d", p % 12, p % 60, p % 130);
		sprintf(in->texts->brand[p], "brand%d", p % 3000);
	}
	for (long i = 0; i < in->n; i++)
	{
		uint64_t	product = draw(10) < 7 ? draw(PRODUCTS / 10) : draw(PRODUCTS);
		SlmEvent   *event = &in->events[i];

		*event = (SlmEvent) {
			.time = (SlmTime) i * MINUTES * SLM_USECS_PER_MIN / in->n,.type = draw(100) < 92 ? SLM_VIEW : (SlmEventType) (1 + draw(3)),
			.product_id = (int64_t) product,.price = (SlmMoney) (product * 10000 + 990000),
			.category_code = {in->texts->category[product], (uint32_t) strlen(in->texts->category[product])},
			.brand = {in->texts->brand[product], (uint32_t) strlen(in->texts->brand[product])}
		};
	}
}

static void
number_offers(Input *in, SlmDictionary *dictionary)
{
	SlmDictionaryError error;

	for (long i = 0; i < in->n; i++)
		in->rows[i].offer = slm_dictionary_offer(dictionary, &in->events[i], &error);
}

static void
make_rows(Input *in)
{
	for (long i = 0; i < in->n; i++)
	{
		SlmChunkRow *row = &in->rows[i];

		row->time = in->events[i].time;
		row->type = (uint8_t) in->events[i].type;
		row->fingerprint = 0;
		if (row->type == SLM_VIEW && i > 1000 && draw(10) < 3)
			row->fingerprint = in->rows[i - 1 - (long) draw(1000)].fingerprint;
		if (row->type == SLM_VIEW && row->fingerprint == 0)
			row->fingerprint = slm_splitmix((uint64_t) i) | 1;
	}
}

static void
report(const char *what, double seconds, long rows, const char *of)
{
	printf("%-26s %8.1f ns/%s  %8.2f M/s\n", what, seconds * 1e9 / (double) rows, of, (double) rows / seconds / 1e6);
}

static double	begun;
static double	best[16];

#define BEGIN()		(begun = now())
#define END(step)	(best[step] = (best[step] == 0 || now() - begun < best[step]) ? now() - begun : best[step])

enum
{
	OFFERS, GROUP, PACK, UNPACK, DEDUPLICATE_TABLE, DEDUPLICATE_RUNS, LOG, CELLS, DELTAS
};

/* Half of the views are known, at a later time or the same. */
static void
know_half(const Input *in, SlmViews *known)
{
	for (long i = 0; i < in->n; i += 2)
	{
		bool		found;
		SlmView    *view;

		if (in->rows[i].fingerprint == 0)
			continue;
		view = slm_views_add(known, in->rows[i].fingerprint, &found);
		check(view != NULL, "views");
		if (!found)
			*view = (SlmView) {.fingerprint = in->rows[i].fingerprint,.time = in->rows[i].time - 1,.offer = in->rows[i].offer};
	}
}

static void
time_tables(SlmBatch *batch, long *cells_made, long *deltas_made)
{
	SlmGranularity minute = {.usecs = SLM_USECS_PER_MIN};
	SlmGranularity hour = {.usecs = 60 * SLM_USECS_PER_MIN};
	SlmCells	cells;
	SlmDeltas	deltas[SLM_DIMENSIONS];

	BEGIN();
	check(slm_cells_make(&batch->groups, minute, hour, &cells), "cells");
	END(CELLS);
	*cells_made = (long) cells.ncells;
	*deltas_made = 0;
	BEGIN();
	for (int d = 0; d < SLM_DIMENSIONS; d++)
	{
		check(d > SLM_CATEGORY_L3 ? slm_deltas_coarsen(&deltas[d - 1], &cells, batch->dictionary, (SlmDimension) d, &deltas[d])
			  : slm_deltas_make(&cells, batch->dictionary, (SlmDimension) d, &deltas[d]), "deltas");
		*deltas_made += (long) deltas[d].nrows;
	}
	END(DELTAS);
	for (int d = 0; d < SLM_DIMENSIONS; d++)
		slm_deltas_free(&deltas[d]);
	slm_cells_free(&cells);
}

static void
one_round(Input *in, long *views, long *cells, long *deltas)
{
	SlmDictionary *dictionary = slm_dictionary_create(&in->key);
	SlmBatch	batch;
	SlmBatch	by_runs;
	SlmViews	known = {0};
	SlmViews	known_too = {0};
	SlmViewList lists[RUNS + 1];
	SlmViewLogBlocks blocks;
	long		piece = in->n / RUNS;

	BEGIN();
	number_offers(in, dictionary);
	END(OFFERS);
	know_half(in, &known);
	know_half(in, &known_too);

	slm_batch_init(&batch, dictionary);
	BEGIN();
	check(slm_batch_add(&batch, in->rows, (size_t) in->n), "group");
	END(GROUP);
	slm_batch_init(&by_runs, dictionary);
	for (int r = 0; r < RUNS; r++)
	{
		SlmBatch	part;
		SlmSerialized serialized;
		size_t		len;
		char	   *bytes;

		slm_batch_init(&part, dictionary);
		check(slm_batch_add(&part, in->rows + r * piece, (size_t) piece), "group");
		BEGIN();
		check(slm_batch_serialize(&part, &serialized), "pack");
		END(PACK);
		len = serialized.len[0] + serialized.len[1];
		bytes = slm_table_alloc_dirty(len, 1);
		memcpy(bytes, serialized.data[0], serialized.len[0]);
		memcpy(bytes + serialized.len[0], serialized.data[1], serialized.len[1]);
		slm_serialized_free(&serialized);
		BEGIN();
		check(slm_batch_deserialize(bytes, len, bytes, len, &by_runs), "unpack");
		END(UNPACK);
		slm_batch_free(&part);
	}
	*views = (long) batch.views.nviews;
	BEGIN();
	check(slm_batch_deduplicate_views(&batch, &known), "deduplicate");
	END(DEDUPLICATE_TABLE);
	BEGIN();
	check(slm_batch_deduplicate_views(&by_runs, &known_too), "deduplicate");
	END(DEDUPLICATE_RUNS);
	BEGIN();
	check(slm_viewlog_pack(dictionary, lists, slm_batch_view_lists(&by_runs, lists), &blocks), "view log");
	END(LOG);
	slm_viewlog_blocks_free(&blocks);
	time_tables(&batch, cells, deltas);
	slm_batch_free(&batch);
	slm_batch_free(&by_runs);
	slm_views_free(&known);
	slm_views_free(&known_too);
	slm_dictionary_free(dictionary);
}

int
main(int argc, char **argv)
{
	Input		in = {.n = argc > 1 ? atol(argv[1]) : 1000000,.key = slm_hash_key(1, 2)};
	long		views;
	long		cells;
	long		deltas;

	in.events = calloc((size_t) in.n, sizeof(SlmEvent));
	in.rows = calloc((size_t) in.n, sizeof(SlmChunkRow));
	in.texts = malloc(sizeof(Texts));
	make_events(&in);
	make_rows(&in);
	for (int round = 0; round < ROUNDS; round++)
		one_round(&in, &views, &cells, &deltas);
	report("offers", best[OFFERS], in.n, "row");
	report("group", best[GROUP], in.n, "row");
	report("pack", best[PACK], in.n / RUNS, "row");
	report("unpack", best[UNPACK], in.n / RUNS, "row");
	report("views once, a table", best[DEDUPLICATE_TABLE], views, "view");
	report("views once, runs", best[DEDUPLICATE_RUNS], views, "view");
	report("view log", best[LOG], views, "view");
	report("cells", best[CELLS], cells, "cell");
	report("deltas, five dimensions", best[DELTAS], deltas, "table row");
	free(in.events);
	free(in.rows);
	free(in.texts);
	return 0;
}
