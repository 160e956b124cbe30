/*
 * names.h: which names are not those of objects.
 *
 * Writers that are not finished, and tools that leave marks, use names of their own.  One list of them holds for
 * directories and buckets alike; docs/files.md shows it to users.
 */
#ifndef SLM_STORE_NAMES_H
#define SLM_STORE_NAMES_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Is a name, a segment of a key between slashes of len bytes, left out?  Letters of suffixes count in either case:
 *
 *   .*  _*  *~  *.tmp  *.part  *.filepart  *._COPYING_  *.crdownload  *.inprogress  *.crc
 */
extern bool slm_name_is_passed_over(const char *name, size_t len);

/*
 * Is any segment of a key left out?  prefix is what stands before the key in its store's URL: where it ends within a name,
 * what the key begins with is no whole name, and only its end is looked at.
 */
extern bool slm_key_is_passed_over(const char *prefix, const char *key);

#endif							/* SLM_STORE_NAMES_H */
