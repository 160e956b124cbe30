/*
 * surge.c: when live loading gets everything.
 */
#include "postgres.h"

#include "ingest/surge.h"

bool
slm_surge_hold(const char *procedure)
{
	return false;
}
