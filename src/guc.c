/*
 * guc.c: the settings, sellometer.*.
 *
 * All can be changed by a reload, but for those that say otherwise.  The worker takes changes up between two batches.
 */
#include "postgres.h"

#include <ctype.h>
#include <limits.h>

#include "guc.h"
#include "miscadmin.h"
#include "pgtime.h"
#include "pure/chunk.h"
#include "pure/node_slice.h"
#include "pure/sku.h"
#include "server/alive.h"
#include "server/worker_slots.h"
#include "store/store.h"
#include "utils/guc.h"
#include "utils/plancache.h"
#include "utils/varlena.h"

char	   *slm_database;
int			slm_poll_interval;
int			slm_live_lateness;
int			slm_view_window;
int			slm_view_log_retention;
int			slm_surge_bytes;
int			slm_max_object_bytes;
bool		slm_fill_pages;
bool		slm_partial_results;
char	   *slm_asked_as;
int			slm_max_parse_workers;
int			slm_batch_bytes;
int			slm_chunk_rows = SLM_CHUNK_ROWS;
int			slm_work_memory;
int			slm_max_object_keys;
int			slm_max_minute_keys;
int			slm_max_dimension_keys;
double		slm_max_reject_fraction;
int			slm_max_rejects_kept;
int			slm_max_clock_skew;
int			slm_max_clock_jump;
int			slm_retry_limit;
int			slm_retry_delay;
int			slm_cart_timeout;
int			slm_cart_retention;
int			slm_sales_window;
int			slm_archive_block;
char	   *slm_currency;

static const struct config_enum_entry archive_blocks[] = {
	{"hour", SLM_ARCHIVE_HOUR, false},
	{"day", SLM_ARCHIVE_DAY, false},
	{NULL, 0, false}
};
int			slm_offer_retention;
int			slm_ledger_retention;
int			slm_keep_originals;
int			slm_pack_after;
int			slm_price_window;
int			slm_shift_window;

/* Read by its name, as it is set for the database: src/ledger/slice.c. */
static char *slice;

/* Only SQL reads these: src/sql/71_report.sql, src/sql/9*.sql. */
static char *timezone_name;
static char *alert_link;
static int	alert_hold;
static int	order_window;
static int	silent_after;
static char *quiet_hours;
static int	reminder_pause;
static int	price_min_sales;
static int	price_few_sales;
static int	price_min_products;
static double price_share;
static int	price_adopt;
static int	shift_min_sales;
static int	shift_min_events;
static int	shift_min_products;
static double shift_share;
static int	stock_min_products;
static double stock_share;
static int	volume_lateness;
static int	volume_min_events;
static double volume_low;
static double volume_critical;
static double volume_high;
static double price_score;
static double price_mad_floor;
static double price_min_change;
static double price_critical_change;

typedef struct IntSetting
{
	const char *name;
	const char *what;
	const char *more;
	int		   *variable;
	int			value;
	int			min;
	int			max;
	int			flags;
} IntSetting;

#define HOURS(n)	((n) * 3600)
#define DAYS(n)		((n) * 86400)

static const IntSetting settings[] = {
	{"sellometer.poll_interval", "Time between two looks at the sources.",
		NULL, &slm_poll_interval, 1000, 10, 3600 * 1000, GUC_UNIT_MS},
	{"sellometer.stuck_after", "A process in the background that gives no sign of life for so long is shown as stuck.",
		"In sellometer.health; one that computes, or reads or writes its tables, after ten times as long.", &slm_stuck_after, 60, 1, HOURS(24), GUC_UNIT_S},
	{"sellometer.live_lateness", "An object this far behind the head is backlog.",
		"It then waits for sellometer_merge_backlog().", &slm_live_lateness, 300, 0, DAYS(30), GUC_UNIT_S},
	{"sellometer.view_window", "Views of a product by a session, and other events of an id, count once if they span less than this.",
		"The state of this window is kept in memory for speed.", &slm_view_window, DAYS(1), 60, DAYS(365), GUC_UNIT_S},
	{"sellometer.view_log_retention", "How far behind the head the view log is kept, to correct late views.",
		"Never less than sellometer.view_window.", &slm_view_log_retention, DAYS(31), 60, DAYS(3650), GUC_UNIT_S},
	{"sellometer.surge_bytes", "Waiting bytes at which live loading gets everything and housekeeping waits.",
		NULL, &slm_surge_bytes, 256 * 1024, 1, INT_MAX, GUC_UNIT_KB},
	{"sellometer.max_connections", "Transfers under way at the same time.",
		NULL, &slm_max_connections, 16, 1, 256, 0},
	{"sellometer.max_list_keys", "A list of a source that has more keys than this ends with an error.",
		"What was listed until then is loaded.", &slm_max_list_keys, 10000000, 1000, INT_MAX, 0},
	{"sellometer.max_list_time", "A list of a source that takes longer than this ends with an error.",
		"What was listed until then is loaded.", &slm_max_list_time, HOURS(1), 1, DAYS(7), GUC_UNIT_S},
	{"sellometer.max_object_bytes", "A larger object fails without being read.",
		NULL, &slm_max_object_bytes, 64 * 1024 * 1024, 1024, INT_MAX, GUC_UNIT_KB},
	{"sellometer.batch_bytes", "Objects of at most this many bytes in all are loaded in one transaction.",
		"A larger single object is loaded in several.", &slm_batch_bytes, 512 * 1024, 64, INT_MAX, GUC_UNIT_KB},
#ifdef USE_ASSERT_CHECKING
	/* Only for tests. */
	{"sellometer.debug_chunk_rows", "Rows of an object that are loaded in one transaction.",
		NULL, &slm_chunk_rows, SLM_CHUNK_ROWS, 100, SLM_CHUNK_ROWS, GUC_NOT_IN_SAMPLE | GUC_NO_SHOW_ALL},
	{"sellometer.debug_sku_bits", "Bits of which the numbers of SKUs are made.",
		NULL, &slm_sku_bits, 63, 1, 63, GUC_NOT_IN_SAMPLE | GUC_NO_SHOW_ALL},
	{"sellometer.debug_part_bytes", "Bytes of an object that are uploaded with one request.",
		NULL, &slm_part_bytes, SLM_PART_KB, 16, SLM_PART_KB, GUC_UNIT_KB | GUC_NOT_IN_SAMPLE | GUC_NO_SHOW_ALL},
#endif
	{"sellometer.work_memory", "Memory for a load, in all its processes: counted views, names, and a batch.",
		"Beyond its share, views are looked up in the view log on disk. Each process needs up to 16 MB besides.", &slm_work_memory, 2048 * 1024, 16 * 1024, INT_MAX, GUC_UNIT_KB},
	{"sellometer.max_object_keys", "An object that names more different brands and categories fails whole.",
		"So a file of made-up names can't fill the tables with them.", &slm_max_object_keys, 100000, 1, INT_MAX, 0},
	{"sellometer.max_minute_keys", "An object fails whole that brings a minute, together with others, more different brands and categories.",
		"One that brings few new ones, a hundredth of it, is loaded always.", &slm_max_minute_keys, 200000, 100, INT_MAX, 0},
	{"sellometer.max_dimension_keys", "How many keys a dimension of one's own has, unless sellometer_add_dimension() says otherwise.",
		"Further ones are counted as other.", &slm_max_dimension_keys, 10000, 1, SLM_MAX_DIMENSION_KEYS, 0},
	{"sellometer.max_rejects_kept", "Rejected rows kept for each object.",
		"All of them are counted.", &slm_max_rejects_kept, 100, 0, 100000, 0},
	{"sellometer.max_clock_skew", "A row this far in the future is rejected.",
		NULL, &slm_max_clock_skew, 300, 0, DAYS(365), GUC_UNIT_S},
	{"sellometer.max_clock_jump", "Few rows behind a longer gap, ahead of the rest of their object, are rejected.",
		"Time that goes on without such a gap is never a jump.", &slm_max_clock_jump, DAYS(1), 1, DAYS(3650), GUC_UNIT_S},
	{"sellometer.retry_limit", "Attempts at an object before it is given up as failed.",
		NULL, &slm_retry_limit, 10, 0, 1000, 0},
	{"sellometer.retry_delay", "Delay before the second attempt at an object; it doubles with each.",
		"Jittered, and never more than an hour.", &slm_retry_delay, 5000, 1, 3600 * 1000, GUC_UNIT_MS},
	{"sellometer.cart_timeout", "A product in a cart is left there after this time.",
		"Counted in event time, back from the head.", &slm_cart_timeout, HOURS(1), 1, DAYS(365), GUC_UNIT_S},
	{"sellometer.order_window", "Purchases of a session with less than this between one and the next are one order.",
		"As it is when sellometer_count_visits() is called.", &order_window, 1800, 1, DAYS(365), GUC_UNIT_S},
	{"sellometer.cart_retention", "How far behind the head carts are kept.",
		"A cart whose last event is older is expired.", &slm_cart_retention, DAYS(3), 60, DAYS(365), GUC_UNIT_S},
	{"sellometer.reminder_pause", "Nobody is given out to be reminded of a cart again before this time is over.",
		"By the wall clock, since the last reminder to the user, or to a guest in the same session.", &reminder_pause, DAYS(1), 0, DAYS(365), GUC_UNIT_S},
	{"sellometer.sales_window", "Sales of this time before the head say how long stock lasts.",
		"Counted from the full hour.", &slm_sales_window, HOURS(24), HOURS(1), DAYS(365), GUC_UNIT_S},
	{"sellometer.offer_retention", "How far behind the head sales are kept by price, to judge prices by.",
		NULL, &slm_offer_retention, DAYS(30), DAYS(1), DAYS(3650), GUC_UNIT_S},
	{"sellometer.ledger_retention", "How long the ledger keeps rows of objects that are gone from their source, and archived or too old for every tier.",
		"Since they were last dealt with, by the clock.  Their contents stay known.  0: for ever.", &slm_ledger_retention, DAYS(365), 0, INT_MAX, GUC_UNIT_S},
	{"sellometer.keep_originals", "How long originals stay at their source after they were archived.",
		"As old as the oldest backup that may be restored, and so long as a standby may lag that may be promoted: what came since can be loaded again then.", &slm_keep_originals, 0, 0, DAYS(365), GUC_UNIT_S},
	{"sellometer.alert_hold", "An alert closes when it was no longer found for so long.",
		"In event time.  One that opens again within a day is held until that day is over.  0: what is no longer found is over.", &alert_hold, 600, 0, DAYS(7), GUC_UNIT_S},
	{"sellometer.silent_after", "A source, or a server that writes into it, is not called silent sooner than this after its last file.",
		"Nor before three times the pause that is usual between two of its files.", &silent_after, 300, 10, DAYS(7), GUC_UNIT_S},
	{"sellometer.price_min_sales", "Sales of a product before its price is judged.",
		NULL, &price_min_sales, 5, 1, INT_MAX, 0},
	{"sellometer.price_few_sales", "Products with fewer sales are judged by a wider band.",
		"It is made of the spread of prices in their category, and is the wider the fewer their sales are.", &price_few_sales, 20, 1, INT_MAX, 0},
	{"sellometer.price_min_products", "Products of a category, a brand, or of all, whose prices must have changed together for one alert about it.",
		"Fewer are told one by one.", &price_min_products, 5, 2, INT_MAX, 0},
	{"sellometer.pack_after", "Partitions of tiers that ended so long before the head are packed, which takes a tenth of the room.",
		"By sellometer_prune(), once they are rolled up; those that a load makes are so at once.  -1: never.", &slm_pack_after, -1, -1, DAYS(3650), GUC_UNIT_S},
	{"sellometer.price_window", "An odd price is forgotten when it was not seen for so long.",
		"It is forgotten at once when the product is seen at a usual price again.", &slm_price_window, 900, 60, DAYS(1), GUC_UNIT_S},
	{"sellometer.price_adopt", "A price that is far from the usual one is taken for usual when it was sold for so long.",
		"Until then sales since it was first seen have no part in what is usual.", &price_adopt, DAYS(1), HOURS(1), DAYS(30), GUC_UNIT_S},
	{"sellometer.shift_min_sales", "Sales of a product before its category is taken for known.",
		NULL, &shift_min_sales, 3, 1, INT_MAX, 0},
	{"sellometer.shift_min_events", "Events under another category before a product or category is taken for moved.",
		NULL, &shift_min_events, 10, 1, INT_MAX, 0},
	{"sellometer.shift_min_products", "Products that must have moved together for one alert about their category, their brand, or all.",
		"Fewer are told one by one.", &shift_min_products, 3, 1, INT_MAX, 0},
	{"sellometer.stock_min_products", "Products of a category, a brand, or of all, whose stock must not last for one alert about it.",
		"Fewer are told one by one.", &stock_min_products, 5, 2, INT_MAX, 0},
	{"sellometer.shift_window", "How far behind the head labels are looked at.",
		NULL, &slm_shift_window, 1800, 60, DAYS(1), GUC_UNIT_S},
	{"sellometer.volume_lateness", "How far behind the head minutes are taken for complete when volumes are judged.",
		NULL, &volume_lateness, 60, 0, DAYS(1), GUC_UNIT_S},
	{"sellometer.volume_min_events", "Events of a type to be expected before their absence is judged.",
		"Where there are fewer in 5 minutes, up to an hour is looked at.", &volume_min_events, 20, 1, INT_MAX, 0},
};

typedef struct RealSetting
{
	const char *name;
	const char *what;
	const char *more;
	double	   *variable;
	double		value;
	double		min;
	double		max;
} RealSetting;

static const RealSetting real_settings[] = {
	{"sellometer.max_reject_fraction", "An object with a greater share of rejected rows fails whole.",
		"Judged for objects of at least 100 rows; one whose rows are all rejected fails in any case.", &slm_max_reject_fraction, 0.1, 0.0, 1.0},
	{"sellometer.price_score", "A price is odd from this distance from the usual one, in deviations.",
		"A deviation is 1.4826 times the median absolute deviation of the logarithm of past sales' prices.", &price_score, 6, 0, 1000},
	{"sellometer.price_mad_floor", "Least median absolute deviation of the logarithm of the price to reckon with.",
		NULL, &price_mad_floor, 0.05, 0.001, 10},
	{"sellometer.price_min_change", "A price is odd only if it is at least this share below the usual one, or the usual one below it.",
		"0.5: half or double.", &price_min_change, 0.5, 0, 1},
	{"sellometer.price_share", "Share of what was seen since of a category, a brand, or of all, whose prices must have changed together.",
		NULL, &price_share, 0.5, 0, 1},
	{"sellometer.shift_share", "Share of a category's, a brand's, or all products seen since that must have moved together.",
		NULL, &shift_share, 0.5, 0, 1},
	{"sellometer.stock_share", "Share of a category's, a brand's, or of all products in sellometer.inventory whose stock must not last for one alert about it.",
		NULL, &stock_share, 0.5, 0, 1},
	{"sellometer.volume_low", "A share of the usual number of events that is too small.",
		NULL, &volume_low, 0.5, 0, 1},
	{"sellometer.volume_critical", "Likewise, for a critical alert.",
		NULL, &volume_critical, 0.1, 0, 1},
	{"sellometer.volume_high", "A multiple of the usual number of events that is too large.",
		NULL, &volume_high, 3, 1, 1000000},
	{"sellometer.price_critical_change", "Likewise, for a critical alert.",
		"0.75: a quarter or four times.", &price_critical_change, 0.75, 0, 1},
};

/* A list of names, no more than there is room for, none longer than a database's can be. */
static bool
check_databases(char **value, void **extra, GucSource source)
{
	char	   *copy = pstrdup(*value);
	List	   *list;
	ListCell   *cell;
	bool		ok = SplitGUCList(copy, ',', &list);

	if (!ok)
		GUC_check_errdetail("It is no list of names, separated by commas.");
	else if (list_length(list) > SLM_MAX_DATABASES)
	{
		GUC_check_errdetail("There can be at most %d databases.", SLM_MAX_DATABASES);
		ok = false;
	}
	else
	{
		foreach(cell, list)
		{
			if (strlen(lfirst(cell)) < NAMEDATALEN)
				continue;
			GUC_check_errdetail("The name of a database has at most %d bytes.", NAMEDATALEN - 1);
			ok = false;
		}
	}
	list_free(list);
	pfree(copy);
	return ok;
}

/* Plans were made for the value that it had. */
static void
assign_partial_results(bool newval, void *extra)
{
	ResetPlanCache();
}

static bool
check_slice(char **newval, void **extra, GucSource source)
{
	SlmNodeSlice parsed;

	if (slm_slice_parse(*newval, &parsed))
		return true;
	GUC_check_errdetail("It is 'i/N', of N nodes (at most %d) that are numbered from 0, or empty for all products.", SLM_MAX_SLICES);
	return false;
}

/* It stands before amounts: whatever is written so, if it is short. */
static bool
check_currency(char **newval, void **extra, GucSource source)
{
	for (const char *p = *newval; *p != '\0'; p++)
	{
		if ((unsigned char) *p < ' ' || *p == 0x7f || p - *newval >= 16)
		{
			GUC_check_errdetail("It is a code, as EUR, or a sign, of at most 16 bytes without control characters.");
			return false;
		}
	}
	return true;
}

/* HH:MM at p, of a day: its minute, or -1. */
static int
minute_of_day(const char *p)
{
	if (!isdigit((unsigned char) p[0]) || !isdigit((unsigned char) p[1]) || p[2] != ':' || !isdigit((unsigned char) p[3]) ||
		!isdigit((unsigned char) p[4]))
		return -1;
	if (p[3] > '5' || (p[0] - '0') * 10 + (p[1] - '0') > 23)
		return -1;
	return ((p[0] - '0') * 10 + (p[1] - '0')) * 60 + (p[3] - '0') * 10 + (p[4] - '0');
}

static bool
check_quiet_hours(char **newval, void **extra, GucSource source)
{
	const char *value = *newval;

	if (*value == '\0')
		return true;
	if (strlen(value) == strlen("HH:MM-HH:MM") && value[5] == '-' && minute_of_day(value) >= 0 && minute_of_day(value + 6) >= 0 &&
		minute_of_day(value) != minute_of_day(value + 6))
		return true;
	GUC_check_errdetail("It is two times of a day that differ, as 22:00-08:00, or empty.");
	return false;
}

/* Empty: that of the session. */
static bool
check_timezone(char **newval, void **extra, GucSource source)
{
	if (**newval == '\0' || pg_tzset(*newval) != NULL)
		return true;
	GUC_check_errdetail("There is no such time zone; they are listed in pg_timezone_names.");
	return false;
}

static void
define_alert_settings(void)
{
	DefineCustomStringVariable("sellometer.timezone", "Time zone of the shop: of its days, weeks and months, of times in the words of alerts, of quiet hours, and of the hours and weekdays that volumes are judged by.",
							   "Empty: days are those of UTC, and times those of TimeZone where sellometer_detect() or sellometer_remind() is called.",
							   &timezone_name, "", PGC_SUSET, 0, check_timezone, NULL, NULL);
	DefineCustomStringVariable("sellometer.alert_link", "Address of a page about an alert: %kind, %dimension and %key in it are replaced by the alert's.",
							   "For example https://shop.example/admin/%dimension/%key.  Empty: alerts have no link.",
							   &alert_link, "", PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomStringVariable("sellometer.quiet_hours", "Nobody is given out to be reminded of a cart between these times of a day.",
							   "As 22:00-08:00, in sellometer.timezone; empty: at any time.",
							   &quiet_hours, "", PGC_SUSET, 0, check_quiet_hours, NULL, NULL);
}

static void
define_preload_settings(void)
{
	DefineCustomStringVariable("sellometer.database",
							   "Databases that a worker loads into, separated by commas.",
							   "Named as they are, upper and lower case; in double quotes where a name has spaces or commas.", &slm_database, "postgres", PGC_POSTMASTER, 0, check_databases, NULL, NULL);
	DefineCustomIntVariable("sellometer.max_parse_workers",
							"Most background workers that parse during a surge.",
							"No more than sellometer.work_memory has room for: one below 64 MB, seven below 512 MB.", &slm_max_parse_workers, 2, 0, 64, PGC_POSTMASTER, 0, NULL, NULL, NULL);
}

void
slm_guc_init(void)
{
	for (int i = 0; i < lengthof(settings); i++)
	{
		const IntSetting *s = &settings[i];

		DefineCustomIntVariable(s->name, s->what, s->more, s->variable, s->value, s->min, s->max, PGC_SUSET,
								s->flags, NULL, NULL, NULL);
	}
	DefineCustomEnumVariable("sellometer.archive_block", "Objects of so much time go into one archive.",
							 NULL, &slm_archive_block, SLM_ARCHIVE_HOUR, archive_blocks, PGC_SUSET, 0, NULL, NULL, NULL);
	for (int i = 0; i < lengthof(real_settings); i++)
	{
		const RealSetting *s = &real_settings[i];

		DefineCustomRealVariable(s->name, s->what, s->more, s->variable, s->value, s->min, s->max, PGC_SUSET, 0, NULL,
								 NULL, NULL);
	}
	DefineCustomBoolVariable("sellometer.fill_pages", "New partitions and their indexes are put together page by page.",
							 "Off: their rows are inserted as COPY inserts them, and the server builds the index.  What is stored is the same.",
							 &slm_fill_pages, true, PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomStringVariable("sellometer.currency", "What money is in: sums, reports, and prices that name no currency.",
							   "A code of ISO 4217, of which many have a sign that is shown instead, or a sign itself; prices that name another currency are converted to it by sellometer.currency_rates.  Empty: none is shown, and prices count as they stand.",
							   &slm_currency, "USD", PGC_USERSET, 0, check_currency, NULL, NULL);
	DefineCustomBoolVariable("sellometer.partial_results", "Where some nodes can't be asked, what is shown is made of the others.",
							 "Each statement warns of it, nothing is final, and sellometer.nodes_left_out has them.  Off: it is an error.",
							 &slm_partial_results, false, PGC_USERSET, 0, NULL, assign_partial_results, NULL);
	DefineCustomStringVariable("sellometer.slice", "Which products this database counts: 'i/N' are those of node i of N, numbered from 0.",
							   "Empty: all.  Set with ALTER DATABASE before the first load; it stays as it is then.",
							   &slice, "", PGC_SUSET, 0, check_slice, NULL, NULL);
	DefineCustomStringVariable("sellometer.asked_as", "Which node, of which slice, this database is taken for: 'n0:0/4'.",
							   "Connections of a database that knows nodes say so; if it is another, queries are errors.",
							   &slm_asked_as, "", PGC_USERSET, GUC_NOT_IN_SAMPLE | GUC_NO_SHOW_ALL, NULL, NULL, NULL);
	define_alert_settings();
	if (process_shared_preload_libraries_in_progress)
		define_preload_settings();
}
