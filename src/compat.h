/*
 * compat.h: every difference between PostgreSQL 15, 16, 17 and 18 that the code meets, and nothing else.
 */
#ifndef SLM_COMPAT_H
#define SLM_COMPAT_H

#if PG_VERSION_NUM < 150000
#error "Sellometer needs PostgreSQL 15 or newer"
#endif

/* Insert a tuple's entries into all indexes of a table; a duplicate key is an error. */
#if PG_VERSION_NUM >= 160000
#define slm_exec_insert_index_tuples(result, slot, estate) \
	ExecInsertIndexTuples(result, slot, estate, false, false, NULL, NIL, false)
#else
#define slm_exec_insert_index_tuples(result, slot, estate) \
	ExecInsertIndexTuples(result, slot, estate, false, false, NULL, NIL)
#endif

#endif							/* SLM_COMPAT_H */
