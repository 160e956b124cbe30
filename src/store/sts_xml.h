/*
 * sts_xml.h: the XML that AWS's service for roles, STS, answers with, taken apart.  Pure C.
 */
#ifndef SLM_STORE_STS_XML_H
#define SLM_STORE_STS_XML_H

#include <stdbool.h>
#include <stddef.h>

/* What an answer holds: credentials, or an error.  What is missing is "". */
typedef struct SlmStsAnswer
{
	char		access_key[256];
	char		secret_key[256];
	char		session_token[16384];
	char		expiration[64];
	char		code[64];
	char		message[1024];	/* cut, if it is longer */
} SlmStsAnswer;

/*
 * Fill *answer: credentials from <Credentials>, code and message from <Error>, however deep they stand.  Returns false if the
 * text is no XML, has a document type declaration, or a key doesn't fit.  Wipe *answer, whatever is returned.
 */
extern bool slm_sts_parse(const char *text, size_t len, SlmStsAnswer *answer);

#endif							/* SLM_STORE_STS_XML_H */
