#include "postgres.h"
#include "store/store_internal.h"
SlmStore *
slm_s3_open(const SlmUrl *url, const char *server, Oid userid)
{
	ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg("S3 is not there yet")));
}
