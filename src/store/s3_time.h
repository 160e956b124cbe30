/*
 * s3_time.h: times as services write them.  Pure C.
 */
#ifndef SLM_STORE_S3_TIME_H
#define SLM_STORE_S3_TIME_H

#include "pure/types.h"

/*
 * "2009-10-12T17:50:30.000Z", with or without fraction, with a space or a small t or z, with an offset (+02:00, +0200, +02) or none,
 * which is UTC; or "Mon, 12 Oct 2009 17:50:30 GMT", also with UTC, an offset, or none, and without the day of the week.  Returns
 * false if it is none of them.
 */
extern bool slm_s3_parse_time(const char *text, SlmTime *time);

#endif							/* SLM_STORE_S3_TIME_H */
