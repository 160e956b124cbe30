/*
 * crash_point.h: places in the code where a test has the process die, as by kill -9, or meet an error.
 *
 * Only in builds with assertions; a release has neither the places nor the setting.  test/t/041_crash_points.pl visits
 * each of them: a place whose name it doesn't know is a failure there.
 */
#ifndef SLM_SERVER_CRASH_POINT_H
#define SLM_SERVER_CRASH_POINT_H

#ifdef USE_ASSERT_CHECKING

/*
 * Die here if sellometer.debug_crash_point is the name, or "name:n" at the n-th visit by this process.  It dies once: the
 * name is left in the file sellometer_crashed of the data directory, and while that is there nothing dies.  With
 * sellometer.debug_crash_sqlstate it raises an error of that kind instead, with sellometer.debug_crash_checkpoint it waits for a checkpoint.
 */
#define SLM_CRASH_POINT(name)	slm_crash_point(name)

extern void slm_crash_point(const char *name);

#else
#define SLM_CRASH_POINT(name)	((void) 0)
#endif

/* Define the setting, where there is one; from _PG_init. */
extern void slm_crash_point_init(void);

#endif							/* SLM_SERVER_CRASH_POINT_H */
