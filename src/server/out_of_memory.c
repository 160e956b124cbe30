/*
 * out_of_memory.c: what is raised where malloc() has nothing left.
 */
#include "postgres.h"

#include "server/out_of_memory.h"

void
slm_out_of_memory(void)
{
	ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
}
