/*
 * s3_options.c: options of foreign servers and user mappings of wrapper sellometer_s3: the validator, and reading them.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/reloptions.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_foreign_server.h"
#include "catalog/pg_user_mapping.h"
#include "commands/defrem.h"
#include "fmgr.h"
#include "foreign/foreign.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/syscache.h"
#include "utils/varlena.h"

#include "compat.h"
#include "store/http.h"
#include "store/option_values.h"
#include "store/s3_options.h"
#include "store/store_internal.h"

#define WRAPPER	"sellometer_s3"

PG_FUNCTION_INFO_V1(sellometer_s3_validator);

/* The secret's own value is never shown, so an unknown option's isn't either. */
pg_noreturn static void
raise_unknown_option(const char *name, int place)
{
	const char *words[SLM_OPTIONS];
	int			nwords = 0;
	const char *closest;
	StringInfoData valid;

	initStringInfo(&valid);
	for (int i = 0; i < SLM_OPTIONS; i++)
	{
		if ((int) slm_options[i].place != place)
			continue;
		appendStringInfo(&valid, "%s%s", valid.len ? ", " : "", slm_options[i].name);
		words[nwords++] = slm_options[i].name;
	}
	closest = slm_closest_match(name, words, nwords);
	ereport(ERROR,
			(errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
			 errmsg("invalid option \"%s\"", name),
			 closest ? errhint("Perhaps you meant the option \"%s\".", closest)
			 : valid.len ? errhint("Valid options in this context are: %s.", valid.data)
			 : errhint("There are no valid options in this context.")));
}

/* What to write instead of a value that isn't one, which is shown. */
static const char *const fault_hints[] = {
	[SLM_OPTION_NO_REGION] = "A region looks like eu-central-1.",
	[SLM_OPTION_NO_URL_STYLE] = "Write 'path' (https://host/bucket/key) or 'virtual' (https://bucket.host/key).",
	[SLM_OPTION_RELATIVE] = "Write an absolute path.",
	[SLM_OPTION_NO_SECONDS] = "Give whole seconds, from 1 to 3600.",
	[SLM_OPTION_NO_RATE] = "Give bytes a second, from 1 to 1073741824.",
	[SLM_OPTION_NO_CLASS] = "A class looks like STANDARD_IA.",
	[SLM_OPTION_COLD] = "An archive is read back before its originals are deleted, so it needs a class that can be read at once, such as"
	" GLACIER_IR. A lifecycle rule of the bucket can move it on later.",
	[SLM_OPTION_NO_SSE] = "Write 'AES256', 'aws:kms' or 'aws:kms:dsse'.",
	[SLM_OPTION_NO_KMS_KEY] = "Write the key's identifier, its ARN, or alias/NAME.",
	[SLM_OPTION_NO_ACL] = "Write 'private', 'bucket-owner-read' or 'bucket-owner-full-control': archives are not for everybody.",
	[SLM_OPTION_NO_PAYER] = "Write 'requester', or leave the option out.",
};

/* An error unless this is a value of the option. */
static void
check_value(SlmOptionKind kind, const char *name, const char *value)
{
	SlmOptionFault fault = slm_option_check(kind, value);

	switch (fault)
	{
		case SLM_OPTION_FINE:
			break;
		case SLM_OPTION_NO_URL:
			ereport(ERROR,
					(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
					 errmsg("invalid endpoint"),
					 errdetail("It is \"%s\".", slm_store_display(value)),
					 errhint("Write https://host or https://host:port.")));
			break;
		case SLM_OPTION_MORE_THAN_HOST:
			ereport(ERROR,
					(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
					 errmsg("invalid endpoint"),
					 errdetail("Behind \"://\" stands more than a host and port."),
					 errhint("Write https://host or https://host:port. Credentials belong in a user mapping, the bucket"
							 " in the URL of the source.")));
			break;
		case SLM_OPTION_UNPRINTABLE:
			ereport(ERROR,
					(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
					 errmsg("invalid value for option \"%s\"", name),
					 errdetail("It holds a space, a line break or another character that can't be.")));
			break;
		case SLM_OPTION_EMPTY:
			ereport(ERROR,
					(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
					 errmsg("option \"%s\" must not be empty", name)));
			break;
		default:
			ereport(ERROR,
					(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
					 errmsg("invalid value for option \"%s\": \"%s\"", name, slm_store_display(value)),
					 errhint("%s", fault_hints[fault])));
	}
}

/* A key of KMS says nothing unless KMS is to encrypt. */
static void
check_encryption(const char *sse, const char *kms_key)
{
	if (kms_key != NULL && (sse == NULL || strncmp(sse, "aws:kms", 7) != 0))
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
				 errmsg("option \"sse_kms_key_id\" needs option \"sse\" to be 'aws:kms' or 'aws:kms:dsse'")));
	if (kms_key != NULL && !slm_http_signs_prefixes())
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("option \"sse_kms_key_id\" can't be used with this libcurl"),
				 errdetail("%s signs a header whose name begins with that of another in the wrong order, so that S3 refuses it; 8.10 and newer"
						   " do it right.", curl_version_info(CURLVERSION_NOW)->version),
				 errhint("Make the key the bucket's default encryption, and leave the option out.")));
}

static void
check_option(const SlmOption *option, const char *value)
{
	if (option->kind == SLM_OPTION_CA_FILE && !superuser())
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to set option \"ca_file\""),
				 errdetail("Only superusers may name a file of the server."),
				 errhint("Add the certificate to the operating system's trusted ones instead.")));
	check_value(option->kind, option->name, value);
}

static int
seconds_of(const char *name, const char *value)
{
	check_value(SLM_OPTION_SECONDS, name, value);
	return slm_option_seconds(value);
}

/* Which options belong into a catalog; -1: none. */
static int
place_of(Oid catalog)
{
	if (catalog == ForeignServerRelationId)
		return SLM_OPTION_OF_SERVER;
	return catalog == UserMappingRelationId ? SLM_OPTION_OF_MAPPING : -1;
}

Datum
sellometer_s3_validator(PG_FUNCTION_ARGS)
{
	List	   *options = untransformRelOptions(PG_GETARG_DATUM(0));
	int			place = place_of(PG_GETARG_OID(1));
	bool		has_access_key = false;
	bool		has_secret_key = false;
	const char *sse = NULL;
	const char *kms_key = NULL;
	ListCell   *cell;

	foreach(cell, options)
	{
		DefElem    *def = lfirst_node(DefElem, cell);
		const SlmOption *option = place < 0 ? NULL : slm_option_find((SlmOptionPlace) place, def->defname);

		if (option == NULL)
			raise_unknown_option(def->defname, place);
		check_option(option, defGetString(def));
		has_access_key |= strcmp(def->defname, "access_key_id") == 0;
		has_secret_key |= strcmp(def->defname, "secret_access_key") == 0;
		if (option->kind == SLM_OPTION_SSE)
			sse = defGetString(def);
		if (option->kind == SLM_OPTION_KMS_KEY)
			kms_key = defGetString(def);
	}
	check_encryption(sse, kms_key);
	/* as a dump has it that was made by somebody who may not see the keys */
	if (place == SLM_OPTION_OF_MAPPING && options == NIL)
		ereport(WARNING,
				(errmsg("the user mapping has no keys, and will not be used"),
				 errhint("Use ALTER USER MAPPING ... OPTIONS (ADD access_key_id '...', ADD secret_access_key '...').")));
	else if (place == SLM_OPTION_OF_MAPPING && (!has_access_key || !has_secret_key))
		ereport(ERROR,
				(errcode(ERRCODE_FDW_OPTION_NAME_NOT_FOUND),
				 errmsg("a user mapping needs both access_key_id and secret_access_key"),
				 errhint("Without a user mapping, superusers and members of pg_read_server_files use the server"
						 " process's own credentials.")));
	PG_RETURN_VOID();
}

static void
read_server(ForeignServer *server, SlmS3Options *o)
{
	const struct
	{
		const char *name;
		char	  **text;
		int		   *seconds;
	}			fields[] = {
		{"endpoint", &o->endpoint},
		{"region", &o->region},
		{"url_style", &o->url_style},
		{"ca_file", &o->ca_file},
		{"storage_class", &o->storage_class},
		{"sse", &o->sse},
		{"sse_kms_key_id", &o->sse_kms_key_id},
		{"acl", &o->acl},
		{"request_payer", &o->request_payer},
		{"connect_timeout", NULL, &o->connect_timeout_s},
		{"stall_timeout", NULL, &o->stall_timeout_s},
		{"retry_timeout", NULL, &o->retry_timeout_s},
	};
	ListCell   *cell;

	foreach(cell, server->options)
	{
		DefElem    *def = lfirst_node(DefElem, cell);
		char	   *value = defGetString(def);

		for (int i = 0; i < lengthof(fields); i++)
		{
			if (strcmp(def->defname, fields[i].name) != 0)
				continue;
			if (fields[i].text)
				*fields[i].text = pstrdup(value);
			else
				*fields[i].seconds = seconds_of(def->defname, value);
		}
		if (strcmp(def->defname, "min_rate") == 0)
		{
			check_value(SLM_OPTION_RATE, def->defname, value);
			o->min_rate = slm_option_rate(value);
		}
	}
}

/* The mapping of the user, else that of PUBLIC; both are looked up without an error when missing. */
static void
read_mapping(ForeignServer *server, Oid userid, SlmS3Options *o)
{
	Oid			owner = userid;
	HeapTuple	tuple = SearchSysCache2(USERMAPPINGUSERSERVER, ObjectIdGetDatum(userid),
										ObjectIdGetDatum(server->serverid));
	Datum		datum;
	bool		isnull;
	ListCell   *cell;

	if (!HeapTupleIsValid(tuple))
	{
		owner = InvalidOid;
		tuple = SearchSysCache2(USERMAPPINGUSERSERVER, ObjectIdGetDatum(InvalidOid),
								ObjectIdGetDatum(server->serverid));
	}
	if (!HeapTupleIsValid(tuple))
		return;
	datum = SysCacheGetAttr(USERMAPPINGUSERSERVER, tuple, Anum_pg_user_mapping_umoptions, &isnull);
	if (!isnull)
	{
		foreach(cell, untransformRelOptions(datum))
		{
			DefElem    *def = lfirst_node(DefElem, cell);
			char	   *value = defGetString(def);

			if (strcmp(def->defname, "access_key_id") == 0)
				o->mapping.access_key = slm_credentials_copy(value);
			else if (strcmp(def->defname, "secret_access_key") == 0)
				o->mapping.secret_key = slm_credentials_copy(value);
			else if (strcmp(def->defname, "session_token") == 0)
				o->mapping.session_token = slm_credentials_copy(value);
			explicit_bzero(value, strlen(value));
		}
		o->has_mapping = o->mapping.access_key != NULL && o->mapping.secret_key != NULL;
		snprintf(o->mapping.source, sizeof(o->mapping.source), "the user mapping of %s on server \"%s\"",
				 OidIsValid(owner) ? psprintf("role \"%s\"", GetUserNameFromId(owner, false)) : "PUBLIC",
				 server->servername);
	}
	ReleaseSysCache(tuple);
}

/* How to give the user keys; an errhint(). */
static int
hint_at_mapping(const ForeignServer *server, Oid userid, const char *otherwise)
{
	bool		exists = SearchSysCacheExists2(USERMAPPINGUSERSERVER, ObjectIdGetDatum(userid), ObjectIdGetDatum(server->serverid));
	const char *add = exists ? "ADD " : "";

	return errhint("Use %s USER MAPPING FOR %s SERVER %s OPTIONS (%saccess_key_id '...', %ssecret_access_key '...')%s.",
				   exists ? "ALTER" : "CREATE", quote_identifier(GetUserNameFromId(userid, false)), quote_identifier(server->servername),
				   add, add, otherwise);
}

/*
 * May the server process's own credentials go to this server?  They may open more than the user may; and a session token
 * goes over the wire as it is, so whoever made the server and said where it is must be as trusted as the user.
 */
static void
check_own_credentials(const ForeignServer *server, Oid userid)
{
	const char *user = GetUserNameFromId(userid, false);

	if (!has_privs_of_role(userid, ROLE_PG_READ_SERVER_FILES))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("user mapping not found"),
				 errdetail("Role \"%s\" has none on server \"%s\".", user, server->servername),
				 hint_at_mapping(server, userid, "")));
	if (!has_privs_of_role(server->owner, ROLE_PG_READ_SERVER_FILES))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to use the server's own S3 credentials"),
				 errdetail("Server \"%s\" belongs to \"%s\", who has not the privileges of the role \"pg_read_server_files\".",
						   server->servername, GetUserNameFromId(server->owner, false)),
				 hint_at_mapping(server, userid, ", or make the server's owner one that is trusted")));
}

static void
read_from_catalog(const char *name, Oid userid, SlmS3Options *o)
{
	ForeignServer *server = GetForeignServerByName(name, true);
	ForeignDataWrapper *wrapper;

	if (server == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("the foreign server does not exist"),
				 errdetail("Its name is \"%s\".", name),
				 errhint("Use CREATE SERVER ... FOREIGN DATA WRAPPER " WRAPPER
						 " OPTIONS (endpoint '...', region '...').")));
	wrapper = GetForeignDataWrapper(server->fdwid);
	if (strcmp(wrapper->fdwname, WRAPPER) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("the foreign server is not one of wrapper " WRAPPER),
				 errdetail("The wrapper of \"%s\" is \"%s\".", name, wrapper->fdwname)));
	if (slm_server_aclcheck(server->serverid, userid) != ACLCHECK_OK)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for the foreign server"),
				 errdetail("Role \"%s\" has no USAGE on server \"%s\".", GetUserNameFromId(userid, false), name),
				 errhint("GRANT USAGE ON FOREIGN SERVER %s TO %s.", quote_identifier(name),
						 quote_identifier(GetUserNameFromId(userid, false)))));
	read_server(server, o);
	o->any_address = superuser_arg(server->owner);
	o->may_run &= has_privs_of_role(server->owner, ROLE_PG_EXECUTE_SERVER_PROGRAM);
	read_mapping(server, userid, o);

	if (!o->has_mapping)
		check_own_credentials(server, userid);
}

void
slm_s3_options_read(const char *server, Oid userid, SlmS3Options *o)
{
	size_t		len;

	memset(o, 0, sizeof(*o));
	o->connect_timeout_s = 10;
	o->stall_timeout_s = 30;
	o->retry_timeout_s = 30;
	o->min_rate = 1024;
	o->may_run = has_privs_of_role(userid, ROLE_PG_EXECUTE_SERVER_PROGRAM);
	if (server != NULL)
		read_from_catalog(server, userid, o);
	else
	{
		o->any_address = true;
		o->endpoint = slm_environment_endpoint();
		if (o->endpoint != NULL)
			check_value(SLM_OPTION_ENDPOINT, "endpoint", o->endpoint);
		if (getenv("AWS_CA_BUNDLE"))
			o->ca_file = pstrdup(getenv("AWS_CA_BUNDLE"));
	}
	if (o->region == NULL)
		o->region = slm_environment_region();
	if (o->region == NULL || slm_option_check(SLM_OPTION_REGION, o->region) != SLM_OPTION_FINE)
		o->region = pstrdup("us-east-1");
	len = o->endpoint ? strlen(o->endpoint) : 0;
	if (len > 0 && o->endpoint[len - 1] == '/')
		o->endpoint[len - 1] = '\0';
}
