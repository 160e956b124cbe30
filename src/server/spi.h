/*
 * spi.h: the one way in which Sellometer's C code speaks SQL.
 *
 * The caller has connected to SPI.  All statements run with search_path pg_catalog, pg_temp (slm_secure_transaction),
 * so nothing in a schema that others can write to is ever picked up; Sellometer's own objects are named in full.
 */
#ifndef SLM_SERVER_SPI_H
#define SLM_SERVER_SPI_H

#include "postgres.h"
#include "executor/spi.h"

#define SLM_MAX_ARGS	20

/* A statement whose plan is kept for the life of the backend. */
typedef struct SlmStatement
{
	const char *sql;
	int			nargs;
	Oid			types[SLM_MAX_ARGS];
	SPIPlanPtr	plan;			/* NULL until first used */
	bool		any_values;		/* plan once: to plan for given values copies them twice */
} SlmStatement;

/*
 * Keep the extension from being dropped before the end of the transaction (DROP EXTENSION waits for that).  False if it
 * is not there, or was dropped while we waited for somebody who dropped it.
 */
extern bool slm_extension_lock(void);

/* Has slm_secure_transaction() found it gone? */
extern bool slm_extension_gone;

/*
 * For the rest of the transaction: the extension stays (an error if it is gone, or of another version than the library), safe
 * search_path and all other settings of pins.h, a snapshot for what is outside of statements, and READ COMMITTED, so that each
 * statement sees what was committed before it.  Call once after each start of a transaction, before any statement.
 */
extern void slm_secure_transaction(void);

/*
 * Likewise in a function that a user's transaction calls, whose settings come back with AtEOXact_GUC(true, level) for the level that
 * is returned.
 */
extern int	slm_secure_function(void);

/*
 * For a function that only looks: its statements see what the statement that calls it sees, whatever the isolation level, and can't
 * write; a standby will do.  The extension stays, and settings are those of pins.h until AtEOXact_GUC(true, level) for the level that is
 * returned.  slm_look_end() is to be called in any case, also after an error.
 */
extern int	slm_look_begin(void);
extern void slm_look_end(void);

/* Commit, and begin the next transaction: slm_secure_transaction() must follow before its first statement. */
extern void slm_commit(void);

/*
 * Execute; nulls as for SPI_execute_plan, NULL = none is null.  Returns the number of rows; they are in SPI_tuptable, and
 * go with the transaction.  Any result but expected (SPI_OK_…) is an error.
 */
extern uint64 slm_execute(SlmStatement *statement, const Datum *values, const char *nulls, int expected);

/* Likewise; rows are found by an index, however small the tables were when the plan was made. */
extern uint64 slm_execute_by_index(SlmStatement *statement, const Datum *values, const char *nulls, int expected);

/*
 * Read in the active snapshot: what several of these give is of one state.  Rows as those of slm_execute(), but the caller may free them
 * (SPI_freetuptable(SPI_tuptable)).
 */
extern uint64 slm_query(SlmStatement *statement, const Datum *values);
extern uint64 slm_query_once(const char *sql);

/* Likewise; rows go to a receiver as they come, and none are in SPI_tuptable.  Of a table much of which is wanted, by the order of its pages. */
extern void slm_query_into(const char *sql, DestReceiver *receiver);

/* Execute a command that is used but once, e.g. DDL. */
extern uint64 slm_execute_once(const char *sql, int expected);

/* Likewise with arguments, none of them null; they are known to the planner. */
extern uint64 slm_execute_args(const char *sql, int nargs, Oid *types, Datum *values, int expected);

/* A column of a row of the last result; a NULL for a type by reference gives (Datum) 0. */
extern Datum slm_value(uint64 row, int column, bool *isnull);
extern int64 slm_int64(uint64 row, int column, int64 if_null);
/* A copy in the given context, or NULL. */
extern char *slm_text(MemoryContext context, uint64 row, int column);
/* Likewise the bytes of a bytea, and *len; NULL and 0. */
extern char *slm_bytes(MemoryContext context, uint64 row, int column, size_t *len);

/* A one-dimensional array of n elements (int8, text, timestamptz …); nulls may be NULL. */
extern Datum slm_array(Datum *values, bool *nulls, int n, Oid type);

/*
 * Rows as arguments that unnest() makes rows again: an array of each column.  Row i has its values from i * ncolumns on, and their nulls
 * likewise.
 */
extern void slm_column_arrays(const Datum *values, const bool *nulls, int nrows, int ncolumns, const Oid *types, Datum *args);

#endif							/* SLM_SERVER_SPI_H */
