/*
 * options.c: the command line.
 */
#include "options.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum
{
	OPT_OUT = 256, OPT_ONE_FILE, OPT_TRUTH, OPT_CATALOGUE, OPT_QUIET, OPT_SEED, OPT_START, OPT_NOW, OPT_AGO, OPT_MINUTES,
	OPT_EVENTS, OPT_RATE, OPT_DAY_CURVE, OPT_WEEK_CURVE, OPT_WOBBLE, OPT_LIVELY, OPT_PRODUCTS, OPT_BRANDS, OPT_ZIPF, OPT_SESSION_GAP, OPT_FAULT,
	OPT_FAULT_AFTER, OPT_INVENTORY, OPT_SERVERS, OPT_STICKY, OPT_SPEED, OPT_GZIP, OPT_GZIP_HIDDEN, OPT_PANDAS, OPT_ISO,
	OPT_ODD, OPT_QUOTED, OPT_FRACTIONAL, OPT_BAD, OPT_BAD_KINDS, OPT_LATE, OPT_LATE_BY, OPT_LATE_DIR, OPT_FACTOR, OPT_HELP
};

static const struct option long_options[] = {
	{"out", required_argument, NULL, OPT_OUT},
	{"one-file", required_argument, NULL, OPT_ONE_FILE},
	{"truth", required_argument, NULL, OPT_TRUTH},
	{"catalogue", required_argument, NULL, OPT_CATALOGUE},
	{"quiet", no_argument, NULL, OPT_QUIET},
	{"seed", required_argument, NULL, OPT_SEED},
	{"start", required_argument, NULL, OPT_START},
	{"now", no_argument, NULL, OPT_NOW},
	{"ago", required_argument, NULL, OPT_AGO},
	{"minutes", required_argument, NULL, OPT_MINUTES},
	{"events", required_argument, NULL, OPT_EVENTS},
	{"rate", required_argument, NULL, OPT_RATE},
	{"day-curve", required_argument, NULL, OPT_DAY_CURVE},
	{"week-curve", required_argument, NULL, OPT_WEEK_CURVE},
	{"wobble", required_argument, NULL, OPT_WOBBLE},
	{"lively", required_argument, NULL, OPT_LIVELY},
	{"products", required_argument, NULL, OPT_PRODUCTS},
	{"brands", required_argument, NULL, OPT_BRANDS},
	{"zipf", required_argument, NULL, OPT_ZIPF},
	{"session-gap", required_argument, NULL, OPT_SESSION_GAP},
	{"fault", required_argument, NULL, OPT_FAULT},
	{"fault-after", required_argument, NULL, OPT_FAULT_AFTER},
	{"inventory", required_argument, NULL, OPT_INVENTORY},
	{"servers", required_argument, NULL, OPT_SERVERS},
	{"sticky", required_argument, NULL, OPT_STICKY},
	{"speed", required_argument, NULL, OPT_SPEED},
	{"gzip", required_argument, NULL, OPT_GZIP},
	{"gzip-hidden", required_argument, NULL, OPT_GZIP_HIDDEN},
	{"pandas", required_argument, NULL, OPT_PANDAS},
	{"iso", required_argument, NULL, OPT_ISO},
	{"odd", required_argument, NULL, OPT_ODD},
	{"quoted", required_argument, NULL, OPT_QUOTED},
	{"fractional-seconds", required_argument, NULL, OPT_FRACTIONAL},
	{"bad", required_argument, NULL, OPT_BAD},
	{"bad-kinds", required_argument, NULL, OPT_BAD_KINDS},
	{"late", required_argument, NULL, OPT_LATE},
	{"late-by", required_argument, NULL, OPT_LATE_BY},
	{"late-dir", required_argument, NULL, OPT_LATE_DIR},
	{"factor", required_argument, NULL, OPT_FACTOR},
	{"help", no_argument, NULL, OPT_HELP},
	{NULL, 0, NULL, 0}
};

static const char help_text[] =
"traffic: an online shop's events as CSV files, made up or taken from a real file\n"
"\n"
"  traffic generate --out DIR | --one-file FILE [options]    make traffic up\n"
"  traffic split [CSV] --out DIR [options]                   spread a real CSV over minutes and servers\n"
"\n"
"Both write one file a server and minute, named by the minute's start (UTC) and the server:\n"
"2019-10-01-00-07-3.csv.  A file appears complete, by rename.  The same options give the same bytes.\n"
"FRACTION is 0 ... 1.\n"
"\n"
"Where to\n"
"  --out DIR                 directory of the files; created if missing\n"
"  --one-file FILE           all rows in one file instead; - is standard output\n"
"  --truth FILE              what is in each file: rows, bad rows by kind, faults; JSON lines; - is standard output\n"
"  --catalogue FILE          generate: the products as CSV\n"
"  --quiet                   no totals on standard error\n"
"\n"
"What happens (generate)\n"
"  --seed N                  default 1\n"
"  --start 'YYYY-MM-DD HH:MM:SS'   first event time, UTC; default 2019-10-01 00:00:00\n"
"  --now                     start at the current minute, and at --speed 1 unless given\n"
"  --ago MIN[,N]             with --now, at --speed 1: start so many minutes earlier; those appear as fast as possible,\n"
"                            but for the last N, of which one a second does\n"
"  --minutes N               length in event time; default 10 unless --events\n"
"  --events N                exactly this many rows\n"
"  --rate N                  mean events a minute, default 40000\n"
"  --day-curve FRACTION      day and night: 0 (default) is flat, 0.8 strong; busiest at 16:00\n"
"  --week-curve FRACTION     Saturdays have so much less, Sundays half of that less\n"
"  --wobble FRACTION         slow random change of the rate, e.g. 0.05\n"
"  --lively FRACTION         of the products have two variants at 1.2 to 1.8 times the price, or promotions of 10 to 45 % for six\n"
"                            hours, and other prices each hour (by 8 %)\n"
"  --products N, --brands N  default 200000 and 3500\n"
"  --zipf S                  how fast popularity falls with rank, default 1.1\n"
"  --session-gap SECONDS     mean time between two events of a session, default 100\n"
"  --fault KIND[:COUNT],...  things that go wrong, listed in --truth, at random times after --fault-after MINUTES\n"
"                            (default a quarter of the run):\n"
"                            price_low, price_high       a product at a tenth or ten times its price for 10-60 min\n"
"                            price_low_few, price_high_few   likewise, of a product that is hardly sold\n"
"                            sale, deep_sale             a category 30 % or 60 % cheaper for 2-24 hours\n"
"                            slip, brand_slip            all prices times 90, or all of a brand times 30, for 20-60 min\n"
"                            new                         twenty products come new, a quarter cheaper for 20-60 min\n"
"                            crawl                       ten times as many views on top, each of a new session, for 30-120 min\n"
"                            flash                       five times as many events, and more is bought, for 30-90 min\n"
"                            campaign                    four times as many events for 6-12 hours\n"
"                            gap                         nothing is bought for 1-3 hours\n"
"                            relabel                     a category's code becomes construction.tools.light for good\n"
"                            stock                       a product is sold out: neither put into carts nor bought\n"
"                            cart_left, cart_recovered   an extra session's cart, left or bought 1-7 hours later\n"
"  --inventory FILE          with --fault stock: product_id,stock,as_of,lead_time as CSV, also of products that last\n"
"\n"
"What happens (split)\n"
"  --factor F                time runs F times faster: t becomes start + (t - start) / F; default 30\n"
"  --start, --now            move the first event to this time\n"
"\n"
"How it is written\n"
"  --servers N               default 4\n"
"  --sticky FRACTION         rows that reach their session's own server, default 0.8; the others go to any\n"
"  --speed X                 in real time: a minute's files appear every 60/X s; 0 (default): as fast as possible\n"
"  --gzip FRACTION           of the files are gzipped (some in two members), named .csv.gz\n"
"  --gzip-hidden FRACTION    of those are named .csv all the same\n"
"  --pandas FRACTION         of the files have an unnamed index column and times without UTC\n"
"  --iso FRACTION            of the files have ISO 8601 times in several spellings (generate)\n"
"  --odd FRACTION            of the files have some of: BOM, CRLF, another order of columns, unknown columns, an\n"
"                            optional column missing, empty lines, no last newline, untidy types and categories (generate)\n"
"  --quoted FRACTION         of the rows are quoted, also with brands that hold commas, quotes, newlines (generate)\n"
"  --fractional-seconds FRACTION   of the rows have milli- or microseconds, in ISO 8601 (generate)\n"
"  --late FRACTION           of the files appear late ...\n"
"  --late-by MIN[,MAX]       ... by so many minutes of event time, default 10,60; those due after the end, at the end\n"
"  --late-dir DIR            ... or at once but in this directory, for a test to deliver\n"
"  --bad FRACTION            of the rows are bad, in one way each (generate)\n"
"  --bad-kinds LIST          which ways; default all but the last: bad_time bad_event_type bad_product_id bad_price\n"
"                            bad_category_id bad_user_id bad_encoding bad_quote column_count key_too_long future\n"
"                            clock_jump too_long (a line of 1.1 MB)\n"
;

void
fail(const char *format, ...)
{
	va_list		args;

	fflush(stdout);
	fputs("traffic: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(1);
}

void *
must_alloc(size_t size)
{
	return must_realloc(NULL, size);
}

void *
must_realloc(void *p, size_t size)
{
	p = realloc(p, size == 0 ? 1 : size);
	if (p == NULL)
		fail("out of memory (%zu bytes wanted)", size);
	return p;
}

static double
number(const char *name, const char *text, double least, double most)
{
	char	   *end;
	double		value = strtod(text, &end);

	if (end == text || *end != '\0' || !(value >= least && value <= most))
		fail("--%s: \"%s\" is not a number from %g to %g", name, text, least, most);
	return value;
}

static int64_t
time_value(const char *text)
{
	struct tm	tm;
	const char *end;

	memset(&tm, 0, sizeof(tm));
	end = strptime(text, "%Y-%m-%d %H:%M:%S", &tm);
	if (end == NULL || *end != '\0' || tm.tm_year < 70)
		fail("--start: \"%s\" is not a time like '2019-10-01 00:00:00'", text);
	return (int64_t) timegm(&tm);
}

static uint32_t
bad_kind_set(const char *list)
{
	char	   *copy = strdup(list);
	char	   *rest = NULL;
	uint32_t	set = 0;

	for (char *name = strtok_r(copy, ", ", &rest); name != NULL; name = strtok_r(NULL, ", ", &rest))
	{
		int			kind = 0;

		while (kind < BAD_KINDS && strcmp(name, bad_kind_names[kind]) != 0)
			kind++;
		if (kind == BAD_KINDS)
			fail("--bad-kinds: \"%s\" is none; see --help for the list", name);
		set |= UINT32_C(1) << kind;
	}
	free(copy);
	if (set == 0)
		fail("--bad-kinds: the list is empty");
	return set;
}

static void
late_range(Options *options, const char *text)
{
	int			n = sscanf(text, "%d,%d", &options->late_min, &options->late_max);

	if (n == 1)
		options->late_max = options->late_min;
	if (n < 1 || options->late_min < 0 || options->late_max < options->late_min)
		fail("--late-by: \"%s\" is not MIN or MIN,MAX in minutes", text);
}

/* MIN or MIN,N */
static void
set_ago(Options *options, const char *text)
{
	int			ago;
	int			slow = 0;
	char		rest;

	if ((sscanf(text, "%d,%d%c", &ago, &slow, &rest) != 2 && sscanf(text, "%d%c", &ago, &rest) != 1) ||
		ago < 1 || slow < 0 || slow > ago)
		fail("--ago: \"%s\" is not MIN or MIN,N in minutes", text);
	options->ago = ago;
	options->ago_slow = slow;
}

static void
set_defaults(Options *options)
{
	memset(options, 0, sizeof(*options));
	options->seed = 1;
	options->start = 1569888000;	/* 2019-10-01 00:00:00 UTC */
	options->rate = 40000;
	options->products = 200000;
	options->brands = 3500;
	options->zipf = 1.1;
	options->session_gap = 100;
	options->fault_after = -1;
	options->servers = 4;
	options->sticky = 0.8;
	options->speed = -1;
	options->bad_kinds = ((UINT32_C(1) << BAD_KINDS) - 1) & ~(UINT32_C(1) << BAD_TOO_LONG);
	options->late_min = 10;
	options->late_max = 60;
	options->factor = 30;
}

/* Options that take a fraction; returns where it goes, or NULL. */
static double *
fraction_option(Options *options, int code)
{
	switch (code)
	{
		case OPT_DAY_CURVE:
			return &options->day_curve;
		case OPT_WEEK_CURVE:
			return &options->week_curve;
		case OPT_WOBBLE:
			return &options->wobble;
		case OPT_LIVELY:
			return &options->lively;
		case OPT_STICKY:
			return &options->sticky;
		case OPT_GZIP:
			return &options->gzip;
		case OPT_GZIP_HIDDEN:
			return &options->gzip_hidden;
		case OPT_PANDAS:
			return &options->pandas;
		case OPT_ISO:
			return &options->iso;
		case OPT_ODD:
			return &options->odd;
		case OPT_QUOTED:
			return &options->quoted;
		case OPT_FRACTIONAL:
			return &options->fractional;
		case OPT_BAD:
			return &options->bad;
		case OPT_LATE:
			return &options->late;
		default:
			return NULL;
	}
}

static void
set_option(Options *options, int code, const char *name, const char *value)
{
	double	   *fraction = fraction_option(options, code);

	if (fraction != NULL)
	{
		*fraction = number(name, value, 0, 1);
		return;
	}
	switch (code)
	{
		case OPT_OUT:
			options->out = value;
			break;
		case OPT_ONE_FILE:
			options->one_file = value;
			break;
		case OPT_TRUTH:
			options->truth = value;
			break;
		case OPT_CATALOGUE:
			options->catalogue = value;
			break;
		case OPT_QUIET:
			options->quiet = true;
			break;
		case OPT_SEED:
			options->seed = (uint64_t) number(name, value, 0, 9e15);
			break;
		case OPT_START:
			options->start = time_value(value);
			options->start_given = true;
			break;
		case OPT_NOW:
			options->now = true;
			break;
		case OPT_AGO:
			set_ago(options, value);
			break;
		case OPT_MINUTES:
			options->minutes = (int64_t) number(name, value, 1, 1e9);
			break;
		case OPT_EVENTS:
			options->events = (int64_t) number(name, value, 1, 1e13);
			break;
		case OPT_RATE:
			options->rate = number(name, value, 0.001, 1e10);
			break;
		case OPT_PRODUCTS:
			options->products = (int) number(name, value, 1, 1e7);
			break;
		case OPT_BRANDS:
			options->brands = (int) number(name, value, 1, 1e6);
			break;
		case OPT_ZIPF:
			options->zipf = number(name, value, 0, 5);
			break;
		case OPT_SESSION_GAP:
			options->session_gap = number(name, value, 0.01, 1e6);
			break;
		case OPT_FAULT:
			options->faults = value;
			break;
		case OPT_FAULT_AFTER:
			options->fault_after = number(name, value, 0, 1e9);
			break;
		case OPT_INVENTORY:
			options->inventory = value;
			break;
		case OPT_SERVERS:
			options->servers = (int) number(name, value, 1, 10000);
			break;
		case OPT_SPEED:
			options->speed = number(name, value, 0, 1e9);
			break;
		case OPT_BAD_KINDS:
			options->bad_kinds = bad_kind_set(value);
			break;
		case OPT_LATE_BY:
			late_range(options, value);
			break;
		case OPT_LATE_DIR:
			options->late_dir = value;
			break;
		case OPT_FACTOR:
			options->factor = number(name, value, 1e-6, 1e9);
			break;
		case OPT_HELP:
			fputs(help_text, stdout);
			exit(0);
		default:
			fail("try traffic --help");
	}
}

/* What follows from options together. */
static void
check_options(Command command, Options *options)
{
	if ((options->out == NULL) == (options->one_file == NULL))
		fail("give either --out DIR or --one-file FILE; try traffic --help");
	if (options->one_file != NULL && options->late > 0)
		fail("--late is about minute files; it does not go with --one-file");
	if (options->now && options->start_given)
		fail("give either --now or --start");
	if (options->ago > 0 && (!options->now || (options->speed >= 0 && options->speed != 1)))
		fail("--ago goes with --now at --speed 1");
	if (options->now)
	{
		options->start = (int64_t) time(NULL);
		options->start -= options->start % 60 + options->ago * 60;
	}
	if (options->speed < 0)
		options->speed = options->now ? 1 : 0;
	if (command == COMMAND_GENERATE && options->minutes == 0 && options->events == 0)
		options->minutes = 10;
}

Command
options_parse(int argc, char **argv, Options *options)
{
	Command		command;
	int			code;
	int			index;

	set_defaults(options);
	if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0)
	{
		fputs(help_text, argc < 2 ? stderr : stdout);
		exit(argc < 2 ? 1 : 0);
	}
	if (strcmp(argv[1], "generate") == 0)
		command = COMMAND_GENERATE;
	else if (strcmp(argv[1], "split") == 0)
		command = COMMAND_SPLIT;
	else
		fail("\"%s\" is neither generate nor split; try traffic --help", argv[1]);
	argc--;
	argv++;
	while ((code = getopt_long(argc, argv, "", long_options, &index)) != -1)
		set_option(options, code, code == '?' ? "" : long_options[index].name, optarg);
	if (optind < argc && command == COMMAND_SPLIT)
		options->input = argv[optind++];
	if (optind < argc)
		fail("\"%s\" is one word too many", argv[optind]);
	check_options(command, options);
	return command;
}
