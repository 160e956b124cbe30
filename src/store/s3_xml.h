/*
 * s3_xml.h: the XML documents that S3 answers with, taken apart.  Pure C.
 *
 * One parser knows them all, because their elements never mean two things: lists of objects and of uploads, results
 * of deletes and uploads, and errors.  Document type declarations are refused, so there are no entities to expand;
 * depth, length of texts and number of items are bounded.
 */
#ifndef SLM_STORE_S3_XML_H
#define SLM_STORE_S3_XML_H

#include "pure/types.h"

/* What stands in a list, or in the result of deleting several objects. */
typedef struct SlmS3Item
{
	const char *key;			/* decoded; NULL where it was missing, or held a NUL byte */
	const char *etag;			/* without quotes, or NULL */
	const char *upload_id;		/* or NULL */
	const char *code;			/* of an <Error> in the result of a delete, else NULL */
	const char *message;
	int64_t		size;			/* -1 where missing */
	SlmTime		time;			/* LastModified or Initiated; INT64_MIN where missing */
} SlmS3Item;

/* Strings are NULL where the element is missing.  All is owned by the parser. */
typedef struct SlmS3Document
{
	const char *root;			/* the root element's name, without namespace */
	bool		is_truncated;
	bool		is_url_encoded; /* keys were; they are decoded here */
	const char *next_continuation_token;
	const char *next_key_marker;
	const char *next_upload_id_marker;
	const char *upload_id;
	const char *etag;
	const char *code;			/* of an error: these five */
	const char *message;
	const char *region;
	const char *endpoint;
	const char *request_id;
	const SlmS3Item *items;
	size_t		nitems;
} SlmS3Document;

typedef struct SlmS3Parser SlmS3Parser;

/* A new parser, or NULL if out of memory. */
extern SlmS3Parser *slm_s3_parser_create(void);
extern void slm_s3_parser_free(SlmS3Parser *parser);

/* The next bytes.  Returns NULL, or what is wrong (lower-case, no full stop; owned by the parser).  len < 2^31. */
extern const char *slm_s3_parser_feed(SlmS3Parser *parser, const char *data, size_t len, bool is_last);

/* After the last feed went well. */
extern const SlmS3Document *slm_s3_parser_document(const SlmS3Parser *parser);

/*
 * Write text as XML character data: returns the length, or SIZE_MAX if XML can't hold it (control characters).  out
 * must have room for 6 * len bytes, and gets no NUL.
 */
extern size_t slm_s3_xml_escape(char *out, const char *text, size_t len);

#endif							/* SLM_STORE_S3_XML_H */
