/*
 * let_dump.c: tables that are made while all runs can be dumped.
 */
#include "postgres.h"

#include "server/let_dump.h"
#include "server/spi.h"
#include "utils/builtins.h"

void
slm_let_dump(const char *table)
{
	slm_execute_once(psprintf("GRANT SELECT ON sellometer.%s TO pg_database_owner", quote_identifier(table)), SPI_OK_UTILITY);
}
