/*
 * compat.h: every difference between PostgreSQL 15, 16, 17 and 18 that the code meets, and nothing else.
 */
#ifndef SLM_COMPAT_H
#define SLM_COMPAT_H

#if PG_VERSION_NUM < 150000
#error "Sellometer needs PostgreSQL 15 or newer"
#endif

#if PG_VERSION_NUM >= 160000
#include "varatt.h"				/* was in postgres.h */
#endif

#endif							/* SLM_COMPAT_H */
