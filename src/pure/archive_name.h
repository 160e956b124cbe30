/*
 * archive_name.h: the names of archives: NAME.csv.gz, then NAME.1.csv.gz, NAME.2.csv.gz ...
 */
#ifndef SLM_PURE_ARCHIVE_NAME_H
#define SLM_PURE_ARCHIVE_NAME_H

/* Parts go up to this. */
#define SLM_MAX_ARCHIVE_PART	32767

/* Which part of the archive called name a key names, from 0; -1 if the key is not one of its names. */
extern int	slm_archive_part(const char *key, const char *name);

#endif							/* SLM_PURE_ARCHIVE_NAME_H */
