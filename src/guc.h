/*
 * guc.h: the settings, sellometer.*.
 */
#ifndef SLM_GUC_H
#define SLM_GUC_H

/* In the units of their declarations: see guc.c, where each is described for pg_settings. */
extern char *slm_database;
extern int	slm_poll_interval;		/* ms */
extern int	slm_live_lateness;		/* s */
extern int	slm_view_window;		/* s */
extern int	slm_view_log_retention; /* s */
extern int	slm_surge_bytes;		/* kB */
extern int	slm_max_object_bytes;	/* kB */
extern int	slm_max_parse_workers;
extern int	slm_batch_bytes;		/* kB */
extern int	slm_chunk_rows;			/* SLM_CHUNK_ROWS but in tests */
extern int	slm_work_memory;		/* kB */
extern bool slm_partial_results;	/* sums are made of the nodes that can be asked, where not all can be */
extern char *slm_asked_as;		/* never NULL: which node others take this database for */
extern bool slm_fill_pages;
extern int	slm_max_object_keys;
extern int	slm_max_minute_keys;

#define SLM_MAX_DIMENSION_KEYS	1000000
extern int	slm_max_dimension_keys;
extern double slm_max_reject_fraction;
extern int	slm_max_rejects_kept;
extern int	slm_max_clock_skew;		/* s */
extern int	slm_max_clock_jump;		/* s */
extern int	slm_retry_limit;
extern int	slm_retry_delay;		/* ms */
extern int	slm_cart_timeout;		/* s */
extern int	slm_cart_retention;		/* s */
extern int	slm_sales_window;		/* s; read by SQL alone */
extern char *slm_currency;		/* never NULL */
extern int	slm_archive_block;		/* SlmArchiveWidth */

typedef enum SlmArchiveWidth
{
	SLM_ARCHIVE_HOUR,
	SLM_ARCHIVE_DAY
} SlmArchiveWidth;
extern int	slm_offer_retention;	/* s */
extern int	slm_ledger_retention;	/* s; 0: for ever */
extern int	slm_keep_originals;		/* s */
extern int	slm_pack_after;			/* s; -1: never */
extern int	slm_price_window;		/* s */
extern int	slm_shift_window;		/* s */

/* Define them; called once, from _PG_init.  Those of the stores are in store_types.h, of signs of life in alive.h, others of tests in crash_point.h. */
extern void slm_guc_init(void);

#endif							/* SLM_GUC_H */
