/*
 * trouble.h: sources that can't be read for a while, and the objects that wait for them.
 *
 * Each failed attempt doubles an object's delay, up to an hour; so an object that has met a long failure of its source
 * would wait on long after that is over.  Here is what makes it come sooner.
 */
#ifndef SLM_INGEST_TROUBLE_H
#define SLM_INGEST_TROUBLE_H

#include "ingest/object.h"
#include "ingest/source.h"

/*
 * After a batch, in its transaction: what its objects tell about their sources.  One that was read after others could not
 * be shows that the source is back, and all that wait for it are due.
 */
extern void slm_trouble_judge(SlmSources *sources, const SlmObject *objects, int n);

/*
 * After a list of the source, in its transaction and before its row is written.  If its row holds an error and the list is
 * well, all that wait for it are due, and their attempts don't count.  If none of its objects can be read, one of them is due
 * once in a while as a probe, and that attempt doesn't count.
 */
extern void slm_trouble_listed(SlmSource *source, bool ok);

#endif							/* SLM_INGEST_TROUBLE_H */
