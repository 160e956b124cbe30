/*
 * postgres.h: for cppcheck, which does not read PostgreSQL's headers (script/lint): the macros that look like no C.
 */
#define PG_VERSION_NUM				150000
#define dlist_foreach(i, l)			for (; (i).cur;)
#define dlist_foreach_modify(i, l)	for (; (i).cur;)
#define foreach(c, l)				for (; (c);)
#define PG_TRY()					{
#define PG_CATCH()					} {
#define PG_FINALLY()				} {
#define PG_END_TRY()				}
#define PG_FUNCTION_INFO_V1(f)
#define DLIST_STATIC_INIT(n)		{0}
#define pg_attribute_printf(f, a)
#define pg_attribute_noreturn()
#define DEBUG1						14
#define LOG							15
#define NOTICE						18
#define WARNING						19
#define ERROR						21
#define FATAL						22
#define ereport(level, ...)			do { if ((level) >= ERROR) abort(); } while (0)
#define elog(level, ...)			do { if ((level) >= ERROR) abort(); } while (0)
#define pg_noreturn					_Noreturn
