/*
 * let_dump.h: tables that are made while all runs can be dumped, like those that CREATE EXTENSION makes.
 */
#ifndef SLM_SERVER_LET_DUMP_H
#define SLM_SERVER_LET_DUMP_H

/* Let whoever owns the database dump a new table of schema sellometer, which he must be able to read for that.  With SPI. */
extern void slm_let_dump(const char *table);

#endif							/* SLM_SERVER_LET_DUMP_H */
