/*
 * detect.c: call the detectors, one by one.
 *
 * A detector is a SQL function (src/sql/90_alerts.sql).  All of a run judge the same head: what is committed meanwhile may
 * be newer, and they don't look beyond.  In the dashboards' database of nodes those of what all have judge the head of all; the others are for
 * who has loaded something himself.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "server/progress.h"
#include "server/spi.h"
#include "upkeep/detect.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "upkeep/health.h"

typedef struct Detector
{
	char	   *kind;
	bool		of_nodes;		/* judges what all nodes have */
} Detector;

typedef struct Detection
{
	SlmRun	   *run;
	MemoryContext context;		/* of the run, for what outlives a step */
	TimestampTz head;			/* of this database; DT_NOBEGIN: nothing is loaded here */
	int			n;
	Detector   *detectors;
	const Detector *turn;		/* whose turn it is */
	int64		opened;
	int64		worsened;
	int64		closed;
} Detection;

static void
list_step(void *arg)
{
	static SlmStatement head = {"SELECT head FROM sellometer.state"};
	static SlmStatement statement = {
		"SELECT d.kind, (d.of_all AND a.asks)::integer::bigint "
		"FROM sellometer.detectors d, sellometer.state s, (SELECT EXISTS (SELECT FROM sellometer.nodes n WHERE n.asked) AS asks) a "
		"WHERE d.enabled AND (d.of_all AND a.asks OR s.head IS NOT NULL) ORDER BY d.kind"
	};
	Detection  *detection = arg;

	slm_execute(&head, NULL, NULL, SPI_OK_SELECT);
	detection->head = slm_int64(0, 1, DT_NOBEGIN);
	detection->n = (int) slm_execute(&statement, NULL, NULL, SPI_OK_SELECT);
	detection->detectors = MemoryContextAlloc(detection->context, sizeof(Detector) * Max(detection->n, 1));
	for (int i = 0; i < detection->n; i++)
	{
		detection->detectors[i].kind = slm_text(detection->context, i, 1);
		detection->detectors[i].of_nodes = slm_int64(i, 2, 0) != 0;
	}
}

/* What was sold since the last time is told to those who judge prices. */
static void
fold_step(void *arg)
{
	static SlmStatement statement = {"SELECT sellometer.fold_offers()"};

	slm_execute(&statement, NULL, NULL, SPI_OK_SELECT);
}

static void
detector_step(void *arg)
{
	static SlmStatement statement = {
		"SELECT opened, worsened, closed FROM sellometer.run_detector($1, $2)", 2, {TEXTOID, TIMESTAMPTZOID}
	};
	Detection  *detection = arg;
	Datum		args[2] = {CStringGetTextDatum(detection->turn->kind), TimestampTzGetDatum(detection->head)};
	int64		opened;
	int64		worsened;
	int64		closed;

	slm_execute(&statement, args, detection->turn->of_nodes ? " n" : NULL, SPI_OK_SELECT);
	opened = slm_int64(0, 1, 0);
	worsened = slm_int64(0, 2, 0);
	closed = slm_int64(0, 3, 0);
	if (opened + worsened + closed > 0)
		slm_run_begin(detection->run);
	detection->opened += opened;
	detection->worsened += worsened;
	detection->closed += closed;
}

static void
tidy_step(void *arg)
{
	static SlmStatement statement = {"SELECT sellometer.tidy_alerts()"};
	Detection  *detection = arg;
	int64		closed;

	slm_execute(&statement, NULL, NULL, SPI_OK_SELECT);
	closed = slm_int64(0, 1, 0);
	if (closed > 0)
		slm_run_begin(detection->run);
	detection->closed += closed;
}

/* The first failure is what the run will end with; tell of the others at once. */
static char *
note_error(const Detection *detection, ErrorData *error, char *first)
{
	char	   *message = psprintf("detector \"%s\" failed: %s", detection->turn->kind, error->message);

	if (ERRCODE_TO_CATEGORY(error->sqlerrcode) == ERRCODE_OPERATOR_INTERVENTION)
		ReThrowError(error);	/* cancelled, or the server stops: not the detector's fault */
	if (first == NULL)
		return message;
	ereport(WARNING, (errcode(error->sqlerrcode), errmsg_internal("%s", message)));
	return first;
}

void
slm_detect_all(SlmRun *run, void *arg)
{
	Detection	detection = {.run = run,.context = CurrentMemoryContext};
	char	   *failure = NULL;
	int			sqlstate = 0;

	/* never on hold: a surge is when something may be wrong, and silence is an alert too */
	slm_step(run, list_step, &detection);
	slm_health_tell_instead();
	if (detection.n == 0 && TIMESTAMP_IS_NOBEGIN(detection.head))
		return;
	slm_step(run, fold_step, NULL);
	for (int i = 0; i < detection.n; i++)
	{
		ErrorData  *error;

		CHECK_FOR_INTERRUPTS();
		detection.turn = &detection.detectors[i];
		slm_progress_phase(detection.turn->kind);
		error = slm_try_step(run, detector_step, &detection);
		if (error == NULL)
			continue;
		if (failure == NULL)
			sqlstate = error->sqlerrcode;
		failure = note_error(&detection, error, failure);
	}
	slm_step(run, tidy_step, &detection);
	if (failure != NULL)
	{
		ereport(ERROR,
				(errcode(sqlstate), errmsg_internal("%s", failure), errdetail("What the other detectors found is in sellometer.alerts.")));
	}
	appendStringInfo(&run->detail, "{\"opened\": " INT64_FORMAT ", \"worsened\": " INT64_FORMAT ", \"closed\": " INT64_FORMAT "}",
					 detection.opened, detection.worsened, detection.closed);
}
