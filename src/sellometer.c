/*
 * sellometer.c: the module's entry point.
 */
#include "postgres.h"

#include "fmgr.h"

#include "compat.h"

PG_MODULE_MAGIC;

extern void _PG_init(void);

void
_PG_init(void)
{
}
