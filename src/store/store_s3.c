/*
 * store_s3.c: objects in an S3 bucket: opening.  See s3_internal.h for the parts.
 */
#include "postgres.h"

#include "store/s3_internal.h"

/* AWS's own endpoint of a region. */
static char *
aws_endpoint(const char *region)
{
	return psprintf("https://s3.%s.amazonaws.com%s", region, strncmp(region, "cn-", 3) == 0 ? ".cn" : "");
}

/* Is a host no name, but an address of IPv6 (in brackets) or IPv4? */
static bool
is_address(const char *host)
{
	return host[0] == '[' || strcspn(host, ":/") == strspn(host, "0123456789.");
}

/*
 * Where the bucket is.  Virtual-hosted style is AWS's, where the bucket's name allows for it; path style works with
 * every other server.
 */
static char *
make_base_url(const SlmS3Options *o, const char *bucket)
{
	char	   *endpoint = o->endpoint ? o->endpoint : aws_endpoint(o->region);
	bool		is_dns = slm_url_bucket_is_dns(bucket, strlen(bucket));
	bool		is_virtual = o->url_style ? strcmp(o->url_style, "virtual") == 0 : o->endpoint == NULL && is_dns;
	char	   *host = strstr(endpoint, "://") + 3;

	if (is_virtual && is_address(host))
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
				 errmsg("the bucket can't stand before an address"),
				 errdetail("The endpoint is \"%s\", and url_style is 'virtual'.", endpoint),
				 errhint("Set the server's option url_style to 'path', or write a host's name into endpoint.")));
	if (!is_virtual)
		return psprintf("%s/%s", endpoint, bucket);
	if (!is_dns)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
				 errmsg("bucket \"%s\" can't be part of a host name", bucket),
				 errhint("Set the server's option url_style to 'path'.")));
	return psprintf("%.*s%s.%s", (int) (host - endpoint), endpoint, bucket, host);
}

static void
s3_close(SlmStore *base)
{
	SlmS3Store *s3 = (SlmS3Store *) base;

	slm_http_destroy(s3->http);
	slm_credentials_wipe(&s3->options.mapping);
}

static void
s3_move_on(SlmStore *base)
{
	slm_s3_pump((SlmS3Store *) base, 0);
}

static void
s3_take_rights(SlmStore *base, const SlmStore *from)
{
	SlmS3Options *options = &((SlmS3Store *) base)->options;
	const SlmS3Options *now = &((const SlmS3Store *) from)->options;

	options->may_run = now->may_run;
	options->any_address = now->any_address;
}

static const SlmStoreOps s3_ops = {
	.list_begin = slm_s3_list_begin,
	.list_next = slm_s3_list_next,
	.list_end = slm_s3_list_end,
	.get = slm_s3_get,
	.read = slm_s3_read,
	.ready = slm_s3_ready,
	.close_transfer = slm_s3_close_transfer,
	.put = slm_s3_put,
	.delete = slm_s3_delete,
	.put_begin = slm_s3_put_begin,
	.put_write = slm_s3_put_write,
	.put_finish = slm_s3_put_finish,
	.put_abort = slm_s3_put_abort,
	.abort_uploads = slm_s3_abort_uploads,
	.move_on = s3_move_on,
	.take_rights = s3_take_rights,
	.close = s3_close,
};

SlmStore *
slm_s3_open(const SlmUrl *url, const char *server, Oid userid)
{
	SlmS3Store *s3 = palloc0(sizeof(SlmS3Store));

	s3->store.ops = &s3_ops;
	s3->store.context = CurrentMemoryContext;
	dlist_init(&s3->calls);
	s3->bucket = pnstrdup(url->bucket.data, url->bucket.len);
	slm_s3_options_read(server, userid, &s3->options);
	s3->store.may_write = s3->options.has_mapping;
	s3->base_url = make_base_url(&s3->options, s3->bucket);
	s3->sigv4 = psprintf("aws:amz:%s:s3", s3->options.region);
	s3->http = slm_http_create(CurrentMemoryContext);
	return &s3->store;
}
