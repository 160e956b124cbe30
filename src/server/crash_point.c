/*
 * crash_point.c: places where a test has the process die, or meet an error.
 */
#include "postgres.h"

#include "server/crash_point.h"

#ifdef USE_ASSERT_CHECKING

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "access/xlog.h"
#include "postmaster/bgwriter.h"
#include "utils/guc.h"

/* Below the data directory, which is every server process's working directory. */
#define CRASHED_FILE	"sellometer_crashed"

static char *wanted;
static char *sqlstate;
static bool checkpoint;
static int	visits_left;

static int
visits_of(const char *value)
{
	const char *colon = strchr(value, ':');

	return colon ? atoi(colon + 1) : 1;
}

static void
assign_wanted(const char *value, void *extra)
{
	visits_left = visits_of(value ? value : "");
}

void
slm_crash_point(const char *name)
{
	size_t		len = strlen(name);
	int			fd;

	if (wanted == NULL || strncmp(wanted, name, len) != 0 || (wanted[len] != '\0' && wanted[len] != ':'))
		return;
	if (--visits_left > 0)
		return;
	fd = open(CRASHED_FILE, O_CREAT | O_EXCL | O_WRONLY, 0600);
	if (fd < 0)
		return;					/* it has died already */
	(void) !write(fd, name, len);
	close(fd);
	if (checkpoint)
		RequestCheckpoint(CHECKPOINT_IMMEDIATE | CHECKPOINT_FORCE | CHECKPOINT_WAIT);
	else if (sqlstate == NULL || strlen(sqlstate) != 5)
		kill(getpid(), SIGKILL);
	else
		ereport(ERROR,
				(errcode(MAKE_SQLSTATE(sqlstate[0], sqlstate[1], sqlstate[2], sqlstate[3], sqlstate[4])),
				 errmsg("a test wants an error at %s", name)));
}

void
slm_crash_point_init(void)
{
	DefineCustomStringVariable("sellometer.debug_crash_point", "Where in the code the process is to die.", NULL, &wanted,
							   "", PGC_SUSET, GUC_NOT_IN_SAMPLE | GUC_NO_SHOW_ALL, NULL, assign_wanted, NULL);
	DefineCustomStringVariable("sellometer.debug_crash_sqlstate", "Instead of dying, raise an error of this kind.", NULL, &sqlstate,
							   "", PGC_SUSET, GUC_NOT_IN_SAMPLE | GUC_NO_SHOW_ALL, NULL, NULL, NULL);
	DefineCustomBoolVariable("sellometer.debug_crash_checkpoint", "Instead of dying, wait for a checkpoint.", NULL, &checkpoint,
							 false, PGC_SUSET, GUC_NOT_IN_SAMPLE | GUC_NO_SHOW_ALL, NULL, NULL, NULL);
}

#else

void
slm_crash_point_init(void)
{
}

#endif
