/*
 * scan.h: stage 1 of reading CSV: where the commas, line ends and quotes are.
 *
 * The bytes are looked at in any order of quoting: what a quote or a comma means is decided by stage 2 (csv.c), which
 * walks the positions found here.  Every routine gives the same answer; the fastest one the processor can run is
 * chosen once.
 */
#ifndef SLM_PURE_SCAN_H
#define SLM_PURE_SCAN_H

#include "pure/types.h"

/*
 * Write base + i to out for each i with data[i] one of , \n \r " and return how many there were.
 * out: room for len entries, all of which may be written to.  *dirty is set (never cleared) if a byte is NUL or above
 * 0x7f.  Nothing outside data[0 .. len) is read.  base + len must fit uint32_t.
 */
typedef size_t (*SlmScanFunction) (const uint8_t *data, size_t len, uint32_t base, uint32_t *out, bool *dirty);

typedef struct SlmScanRoutine
{
	const char *name;
	SlmScanFunction scan;
} SlmScanRoutine;

/* The routines that this processor can run: *count of them, the scalar reference first, the fastest last.  Static. */
extern const SlmScanRoutine *slm_scan_routines(int *count);

/* The fastest one. */
extern SlmScanFunction slm_scan_best(void);

#endif							/* SLM_PURE_SCAN_H */
