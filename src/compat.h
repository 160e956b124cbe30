/*
 * compat.h: every difference between PostgreSQL 15, 16, 17 and 18 that the code meets, and nothing else; headers that
 * only one file needs are told apart there.
 *
 * Not built with 19, of which no Debian has a package yet.  By what ports of other extensions say, of what stands here it changes
 * ExecInsertIndexTuples() (its booleans become flags, in another order) and index_beginscan() (flags at the end); elsewhere MakeTupleTableSlot()
 * and table_beginscan() get flags.
 */
#ifndef SLM_COMPAT_H
#define SLM_COMPAT_H

#if PG_VERSION_NUM < 150000
#error "Sellometer needs PostgreSQL 15 or newer"
#endif

#if PG_VERSION_NUM >= 160000
#include "access/tableam.h"		/* TU_UpdateIndexes */
#include "varatt.h"				/* VARDATA_ANY and its like were in postgres.h */
#endif

/* Stands before a declaration from 18 on; before, the attribute may too. */
#if PG_VERSION_NUM < 180000
#define pg_noreturn				__attribute__((noreturn))
#endif

/* What tells a transaction of this process from others, also one that has no number yet.  With storage/proc.h. */
#if PG_VERSION_NUM >= 170000
#define slm_local_transaction()	(MyProc->vxid.lxid)
#else
#define slm_local_transaction()	(MyProc->lxid)
#endif

/*
 * Insert a tuple's entries into all indexes of a table; a duplicate key is an error, or, with the second, just makes *is_there
 * true.
 */
#if PG_VERSION_NUM >= 160000
#define slm_exec_insert_index_tuples(result, slot, estate) \
	ExecInsertIndexTuples(result, slot, estate, false, false, NULL, NIL, false)
#define slm_exec_insert_new_index_tuples(result, slot, estate, is_there) \
	ExecInsertIndexTuples(result, slot, estate, false, true, is_there, NIL, false)
#else
#define slm_exec_insert_index_tuples(result, slot, estate) \
	ExecInsertIndexTuples(result, slot, estate, false, false, NULL, NIL)
#define slm_exec_insert_new_index_tuples(result, slot, estate, is_there) \
	ExecInsertIndexTuples(result, slot, estate, false, true, is_there, NIL)
#endif

/* What simple_table_tuple_update() says of indexes, and the entries that it calls for. */
#if PG_VERSION_NUM >= 160000
typedef TU_UpdateIndexes SlmUpdatedIndexes;
#define slm_exec_update_index_tuples(result, slot, estate, indexes) \
	do { \
		if ((result)->ri_NumIndices > 0 && (indexes) != TU_None) \
			ExecInsertIndexTuples(result, slot, estate, true, false, NULL, NIL, (indexes) == TU_Summarizing); \
	} while (0)
#else
typedef bool SlmUpdatedIndexes;
#define slm_exec_update_index_tuples(result, slot, estate, indexes) \
	do { \
		if ((result)->ri_NumIndices > 0 && (indexes)) \
			ExecInsertIndexTuples(result, slot, estate, true, false, NULL, NIL); \
	} while (0)
#endif

/* The index of a table's primary key. */
#if PG_VERSION_NUM >= 180000
#define slm_primary_key_index(rel)	RelationGetPrimaryKeyIndex(rel, false)
#else
#define slm_primary_key_index(rel)	RelationGetPrimaryKeyIndex(rel)
#endif

/* Note the size of a table that has indexes, for the planner. */
#if PG_VERSION_NUM >= 180000
#define slm_update_relstats(rel, pages, tuples) \
	vac_update_relstats(rel, pages, tuples, 0, 0, true, InvalidTransactionId, InvalidMultiXactId, NULL, NULL, true)
#else
#define slm_update_relstats(rel, pages, tuples) \
	vac_update_relstats(rel, pages, tuples, 0, true, InvalidTransactionId, InvalidMultiXactId, NULL, NULL, true)
#endif

/* Make an index without a page. */
#if PG_VERSION_NUM >= 160000
#define slm_define_empty_index(relid, statement)	DefineIndex(relid, statement, InvalidOid, InvalidOid, InvalidOid, -1, true, false, false, true, true)
#else
#define slm_define_empty_index(relid, statement)	DefineIndex(relid, statement, InvalidOid, InvalidOid, InvalidOid, true, false, false, true, true)
#endif

/* Which file a relation is. */
#if PG_VERSION_NUM >= 160000
#define slm_relation_file(rel)	(&(rel)->rd_locator)
#else
#define slm_relation_file(rel)	(&(rel)->rd_node)
#endif

/* The path of its main fork's first file, palloc'ed. */
#if PG_VERSION_NUM >= 180000
#define slm_relation_path(rel)	pstrdup(relpathbackend(*slm_relation_file(rel), (rel)->rd_backend, MAIN_FORKNUM).str)
#else
#define slm_relation_path(rel)	relpathbackend(*slm_relation_file(rel), (rel)->rd_backend, MAIN_FORKNUM)
#endif

/* Begin to scan an index for the rows of its table. */
#if PG_VERSION_NUM >= 180000
#define slm_index_beginscan(rel, index, snapshot, nkeys)	index_beginscan(rel, index, snapshot, NULL, nkeys, 0)
#else
#define slm_index_beginscan(rel, index, snapshot, nkeys)	index_beginscan(rel, index, snapshot, nkeys, 0)
#endif

/* A path of a foreign scan that is sorted in no way, and of nothing but its own rows. */
#if PG_VERSION_NUM >= 180000
#define slm_create_foreignscan_path(root, rel, rows, startup, total, outer) \
	create_foreignscan_path(root, rel, NULL, rows, 0, startup, total, NIL, outer, NULL, NIL, NIL)
#elif PG_VERSION_NUM >= 170000
#define slm_create_foreignscan_path(root, rel, rows, startup, total, outer) \
	create_foreignscan_path(root, rel, NULL, rows, startup, total, NIL, outer, NULL, NIL, NIL)
#else
#define slm_create_foreignscan_path(root, rel, rows, startup, total, outer) \
	create_foreignscan_path(root, rel, NULL, rows, startup, total, NIL, outer, NULL, NIL)
#endif

/* About how many elements an array has. */
#if PG_VERSION_NUM >= 170000
#define slm_estimate_array_length(root, array)	estimate_array_length(root, array)
#else
#define slm_estimate_array_length(root, array)	estimate_array_length(array)
#endif

/* Does this process hold a lock of a mode? */
#if PG_VERSION_NUM >= 170000
#define slm_lock_held_by_me(tag, mode)	LockHeldByMe(tag, mode, false)
#else
#define slm_lock_held_by_me(tag, mode)	LockHeldByMe(tag, mode)
#endif

/* A set of events to wait for, freed by FreeWaitEventSet() alone. */
#if PG_VERSION_NUM >= 170000
#define slm_create_wait_event_set(context, nevents)	CreateWaitEventSet(NULL, nevents)
#else
#define slm_create_wait_event_set(context, nevents)	CreateWaitEventSet(context, nevents)
#endif

/* What pg_stat_activity shows while waiting.  Before 17 an extension's waits all bear the same name. */
#if PG_VERSION_NUM >= 170000
#define slm_wait_event(name)	({ static uint32 event_; if (event_ == 0) event_ = WaitEventExtensionNew(name); event_; })
#else
#define slm_wait_event(name)	PG_WAIT_EXTENSION
#endif

/* A program that we start can be kept from inheriting descriptors: GNU's C library from 2.34 on. */
#if defined(__GLIBC_PREREQ)
#if __GLIBC_PREREQ(2, 34)
#define SLM_HAVE_CLOSEFROM	1
#endif
#endif

/* May a role use a foreign server? */
#if PG_VERSION_NUM >= 160000
#define slm_server_aclcheck(server, role)	object_aclcheck(ForeignServerRelationId, server, role, ACL_USAGE)
#else
#define slm_server_aclcheck(server, role)	pg_foreign_server_aclcheck(server, role, ACL_USAGE)
#endif

/* Which of some words is the likeliest for a misspelt one?  NULL = none; always before 16. */
#if PG_VERSION_NUM >= 160000
#define slm_closest_match(word, words, nwords) \
	({ \
		ClosestMatchState state_; \
		initClosestMatch(&state_, word, 4); \
		for (int i_ = 0; i_ < (nwords); i_++) \
			updateClosestMatch(&state_, (words)[i_]); \
		getClosestMatch(&state_); \
	})
#else
#define slm_closest_match(word, words, nwords)	((void) (words), (const char *) NULL)
#endif

/* What the JSON parser's callbacks return, and its lexer's arguments. */
#if PG_VERSION_NUM >= 160000
#define SLM_JSON_RESULT			JsonParseErrorType
#define SLM_JSON_GO_ON			return JSON_SUCCESS
#else
#define SLM_JSON_RESULT			void
#define SLM_JSON_GO_ON			return
#endif
#if PG_VERSION_NUM >= 170000
#define slm_json_lexer(json, len, encoding)	makeJsonLexContextCstringLen(NULL, json, len, encoding, true)
#else
#define slm_json_lexer(json, len, encoding)	makeJsonLexContextCstringLen(unconstify(char *, json), (int) (len), encoding, true)
#endif

#endif							/* SLM_COMPAT_H */
