/*
 * relocate.h: counted objects whose bytes are elsewhere now.
 */
#ifndef SLM_INGEST_RELOCATE_H
#define SLM_INGEST_RELOCATE_H

/*
 * In the caller's transaction, with SPI, before objects are read again: each that is counted and not archived, and is gone from where
 * it was, while another name was skipped for holding the same, is that one from now on.  What can't be reached stays as it is.
 */
extern void slm_relocate(void);

#endif							/* SLM_INGEST_RELOCATE_H */
