/*
 * test_store.c: the pure parts of the storage layer: URLs, XML of S3, credentials' texts.
 */
#include "unit.h"

#include <arpa/inet.h>

#include "store/address.h"
#include "store/credentials_parse.h"
#include "store/s3_time.h"
#include "store/s3_xml.h"
#include "store/sts_xml.h"
#include "store/url.h"

static void
test_url_parse(void)
{
	SlmUrl		url;
	const char *hint;

	UNIT_OK(slm_url_parse("s3://bucket/a/b%20c?d#e", &url, &hint) == NULL, "an S3 URL");
	UNIT_STR(url.bucket.data, url.bucket.len, "bucket", "bucket");
	UNIT_STR(url.prefix.data, url.prefix.len, "a/b%20c?d#e", "the prefix is taken literally");
	UNIT_OK(slm_url_parse("s3://bucket", &url, &hint) == NULL && url.prefix.len == 0, "a bucket alone");
	UNIT_OK(slm_url_parse("file:///a/b/c", &url, &hint) == NULL, "a file URL");
	UNIT_STR(url.dir.data, url.dir.len, "/a/b/", "its directory");
	UNIT_STR(url.prefix.data, url.prefix.len, "c", "its prefix");
	UNIT_OK(slm_url_parse("file:///", &url, &hint) == NULL && url.dir.len == 1 && url.prefix.len == 0, "the root");
	UNIT_OK(slm_url_parse("file://localhost/x/", &url, &hint) == NULL && url.dir.len == 3, "localhost");
	UNIT_OK(slm_url_parse("file://localhosts/x/", &url, &hint) != NULL, "another host");
	UNIT_OK(slm_url_parse("s3://", &url, &hint) != NULL, "no bucket");
	UNIT_OK(slm_url_parse("s3://.b/", &url, &hint) != NULL, "a bucket that begins with a dot");
	UNIT_OK(slm_url_parse("s3://a:b@c/", &url, &hint) != NULL, "credentials in the URL");
	UNIT_OK(slm_url_parse("S3://bucket/", &url, &hint) != NULL, "a scheme in capitals");
	UNIT_OK(slm_url_parse("", &url, &hint) != NULL && hint != NULL, "nothing");
	UNIT_OK(slm_url_bucket_is_dns("abc-1", 5) && !slm_url_bucket_is_dns("a.bc", 4) &&
			!slm_url_bucket_is_dns("Abc", 3) && !slm_url_bucket_is_dns("ab", 2) && !slm_url_bucket_is_dns("abc-", 4) && !slm_url_bucket_is_dns("-abc", 4),
			"buckets that can be part of a host name");
}

/* Every byte, encoded and decoded, is what it was; and only the unreserved ones stand for themselves. */
static void
test_url_coding(void)
{
	char		encoded[4];
	bool		same = true;
	int			plain = 0;

	for (int c = 1; c < 256; c++)
	{
		char		byte = (char) c;
		size_t		len = slm_url_encode(encoded, &byte, 1, false);

		plain += len == 1;
		same &= slm_url_decode(encoded, &len) && len == 1 && encoded[0] == byte;
	}
	UNIT_OK(same, "encoded and decoded");
	UNIT_EQ(plain, 66, "unreserved characters");

	char		text[] = "a+b%2Bc%zz%4%";
	size_t		len = strlen(text);

	UNIT_OK(slm_url_decode(text, &len), "a text with odd percents");
	UNIT_STR(text, len, "a b+c%zz%4%", "decoded");

	char		nul[] = "a%00b";

	len = strlen(nul);
	UNIT_OK(!slm_url_decode(nul, &len), "a NUL byte");
	len = slm_url_encode(encoded, "/", 1, true);
	UNIT_STR(encoded, len, "/", "a slash that is kept");
}

/* Parse in pieces of n bytes.  The parser is left for the caller to free. */
static const SlmS3Document *
parse(SlmS3Parser **parser, const char *xml, size_t n, const char **problem)
{
	size_t		len = strlen(xml);

	*parser = slm_s3_parser_create();
	*problem = NULL;
	for (size_t i = 0; *problem == NULL && i < len; i += n)
		*problem = slm_s3_parser_feed(*parser, xml + i, n < len - i ? n : len - i, false);
	if (*problem == NULL)
		*problem = slm_s3_parser_feed(*parser, "", 0, true);
	return slm_s3_parser_document(*parser);
}

static const char list_xml[] =
"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
"<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Name>b</Name><Prefix>x</Prefix>"
"<IsTruncated>true</IsTruncated>"
"<Contents><Key>a+b%2B%C3%BC</Key><LastModified>2009-10-12T17:50:30.250Z</LastModified>"
"<ETag>&quot;fba9&quot;</ETag><Size>434234</Size><Owner><ID>1</ID><Key>not this</Key></Owner></Contents>"
"<Contents><Key>nul%00</Key><Size>99999999999999999999</Size></Contents>"
"<CommonPrefixes><Prefix>p</Prefix></CommonPrefixes>"
"<NextContinuationToken>1/+=</NextContinuationToken><EncodingType>url</EncodingType></ListBucketResult>";

static void
test_xml_list(void)
{
	for (size_t n = 1; n < sizeof(list_xml); n += n < 8 ? 1 : 97)
	{
		SlmS3Parser *parser;
		const char *problem;
		const SlmS3Document *d = parse(&parser, list_xml, n, &problem);
		bool		ok = problem == NULL && strcmp(d->root, "ListBucketResult") == 0 && d->is_truncated &&
			strcmp(d->next_continuation_token, "1/+=") == 0 && d->nitems == 2;

		UNIT_OK(ok, "a list in pieces of %zu bytes", n);
		if (ok)
		{
			UNIT_STR(d->items[0].key, strlen(d->items[0].key), "a b+\xc3\xbc", "its key");
			UNIT_STR(d->items[0].etag, strlen(d->items[0].etag), "fba9", "its ETag");
			UNIT_EQ(d->items[0].size, 434234, "its size");
			UNIT_EQ(d->items[0].time, INT64_C(308685030250000), "its time");
			UNIT_OK(d->items[1].key == NULL && d->items[1].size == -1 && d->items[1].etag == NULL &&
					d->items[1].time == INT64_MIN, "what is missing or not valid");
		}
		slm_s3_parser_free(parser);
	}
}

static void
test_xml_others(void)
{
	SlmS3Parser *parser;
	const char *problem;
	const SlmS3Document *d;

	d = parse(&parser, "<Error><Code>PermanentRedirect</Code><Message>m &lt;1&gt;</Message><Endpoint>e</Endpoint>"
			  "<Region>r</Region><RequestId>q</RequestId></Error>", 5, &problem);
	UNIT_OK(problem == NULL && strcmp(d->code, "PermanentRedirect") == 0 && strcmp(d->message, "m <1>") == 0 &&
			strcmp(d->endpoint, "e") == 0 && strcmp(d->region, "r") == 0 && strcmp(d->request_id, "q") == 0 &&
			d->nitems == 0, "an error");
	slm_s3_parser_free(parser);

	d = parse(&parser, "<a:DeleteResult xmlns:a='u'><a:Deleted><a:Key>x</a:Key></a:Deleted><a:Error><a:Key>y</a:Key>"
			  "<a:Code>AccessDenied</a:Code></a:Error></a:DeleteResult>", 7, &problem);
	UNIT_OK(problem == NULL && strcmp(d->root, "DeleteResult") == 0 && d->nitems == 2 && d->items[0].code == NULL &&
			strcmp(d->items[1].code, "AccessDenied") == 0 && strcmp(d->items[1].key, "y") == 0,
			"a result of deletes, with name spaces");
	slm_s3_parser_free(parser);

	d = parse(&parser, "<ListMultipartUploadsResult><Upload><Key>k</Key><UploadId>u</UploadId>"
			  "<Initiated>2000-01-01T00:00:00Z</Initiated></Upload><NextKeyMarker>k%20</NextKeyMarker>"
			  "<EncodingType>url</EncodingType></ListMultipartUploadsResult>", 100, &problem);
	UNIT_OK(problem == NULL && d->nitems == 1 && strcmp(d->items[0].upload_id, "u") == 0 && d->items[0].time == 0 &&
			strcmp(d->next_key_marker, "k ") == 0, "a list of uploads");
	slm_s3_parser_free(parser);
}

static void
expect_problem(const char *xml, const char *words)
{
	SlmS3Parser *parser;
	const char *problem;

	parse(&parser, xml, 3, &problem);
	UNIT_OK(problem != NULL && strstr(problem, words) != NULL, "not valid: %s (%s)", words, problem ? problem : "none");
	UNIT_OK(slm_s3_parser_feed(parser, "<a/>", 4, true) != NULL, "and stays so");
	slm_s3_parser_free(parser);
}

static void
test_xml_refused(void)
{
	char	   *deep = malloc(100000);
	size_t		n = 0;

	expect_problem("", "no element");
	expect_problem("<a>", "no element");
	expect_problem("<a></b>", "mismatched");
	expect_problem("<!DOCTYPE a><a/>", "document type");
	expect_problem("<!DOCTYPE a [<!ENTITY x \"y\">]><a>&x;</a>", "document type");
	expect_problem("<a>&x;</a>", "undefined entity");
	for (int i = 0; i < 20; i++)
		n += (size_t) sprintf(deep + n, "<a>");
	expect_problem(deep, "nested too deeply");
	n = (size_t) sprintf(deep, "<a><b>");
	memset(deep + n, 'x', 70000);
	deep[n + 70000] = '\0';
	expect_problem(deep, "too long");
	free(deep);
}

static void
test_times(void)
{
	static const char *const same[] = {"2009-10-12T17:50:30Z", "2009-10-12T17:50:30", "2009-10-12T17:50:30.000+00:00",
		"2009-10-12t17:50:30z", "2009-10-12 17:50:30Z", "2009-10-12 17:50:30,000000 UTC", "2009-10-12T19:50:30+02:00",
		"2009-10-12T19:50:30.0+0200", "2009-10-12T19:50:30 +02", "2009-10-12T13:20:30-04:30", "2009-10-13T00:50:30+07",
		"Mon, 12 Oct 2009 17:50:30 GMT", "Mon, 12 oct 2009 17:50:30 UTC", "12 Oct 2009 17:50:30 +0000", "Mon, 12 Oct 2009 12:50:30 -0500",
		"Monday, 12 Oct 2009 17:50:30"};
	static const char *const none[] = {"", "2000-13-01T00:00:00Z", "2000-01-01", "2000-01-01T", "2000-01-01T24:00:00Z", "2000-01-01T00:00:00+1:00",
		"2000-01-01T00:00:00+16:00", "2000-01-01T00:00:00+01:60", "2000-01-01T00:00:00Zz", "2000-01-01T00:00:00 CEST", "2000-01-01X00:00:00Z",
		"2000-01-01T00:00:00.Z", "00-01-01T00:00:00Z", "1699999999", "Mon, 12 Okt 2009 17:50:30 GMT", "Mon, 12 Oct 09 17:50:30 GMT",
		"Mon, 32 Oct 2009 17:50:30 GMT", "Mon,", "12", "12 Oct", "12 Oct 2009 17:50", "Mon 12 Oct 2009 17:50:30 GMT"};
	SlmTime		t = 0;

	UNIT_OK(slm_s3_parse_time("2000-01-01T00:00:00Z", &t), "the epoch");
	UNIT_EQ(t, 0, "its value");
	UNIT_OK(slm_s3_parse_time("2024-02-29T23:59:59.999999Z", &t), "a leap day");
	UNIT_EQ(t, INT64_C(762566399999999), "its value");
	UNIT_OK(slm_s3_parse_time("1970-01-01T00:00:00.0000001Z", &t), "more digits than microseconds");
	UNIT_EQ(t, INT64_C(-946684800000000), "its value");
	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++)
	{
		t = 0;
		UNIT_OK(slm_s3_parse_time(same[i], &t) && t == INT64_C(308685030000000), same[i]);
	}
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
		UNIT_OK(!slm_s3_parse_time(none[i], &t), none[i]);
}

static void
test_escape(void)
{
	char		out[64];
	size_t		len = slm_s3_xml_escape(out, "a<&>\"'\r\n\tz", 10);

	UNIT_STR(out, len, "a&lt;&amp;&gt;\"'&#13;&#10;&#9;z", "escaped");
	UNIT_OK(slm_s3_xml_escape(out, "a\x01", 2) == SIZE_MAX, "a control character");
}

static bool
is_slice(SlmSlice slice, const char *text)
{
	return text == NULL ? slice.data == NULL
		: slice.data != NULL && slice.len == strlen(text) && memcmp(slice.data, text, slice.len) == 0;
}

static void
test_profiles(void)
{
	static const char text[] =
	"\xEF\xBB\xBF# comment\n"
	"aws_access_key_id = outside\n"
	"[default]\r\n"
	"aws_access_key_id = first\r\n"
	"aws_access_key_id=DEF#1 ; comment\r\n"
	"aws_secret_access_key = a=b/c+ \t# comment\r\n"
	"s3 =\r\n"
	"  aws_session_token = nested\r\n"
	"[profile  \"two words\" ]\n"
	"region=\n"
	"Credential_Process = \"a b\" c\n"
	"sso_session = x\n"
	"[ two ]\n"
	"region = r2\n"
	"[profile two]\n"
	"region = p2";
	SlmProfile	p;

	slm_profile_parse(text, sizeof(text) - 1, "default", false, &p);
	UNIT_OK(p.found && is_slice(p.values[SLM_PROFILE_ACCESS_KEY], "DEF#1") && is_slice(p.values[SLM_PROFILE_SECRET_KEY], "a=b/c+") &&
			is_slice(p.values[SLM_PROFILE_SESSION_TOKEN], NULL) && is_slice(p.values[SLM_PROFILE_REGION], NULL) && p.unsupported == NULL,
			"the default profile");
	slm_profile_parse(text, sizeof(text) - 1, "two", false, &p);
	UNIT_OK(p.found && is_slice(p.values[SLM_PROFILE_REGION], "r2"), "a profile of the credentials file");
	slm_profile_parse(text, sizeof(text) - 1, "two", true, &p);
	UNIT_OK(p.found && is_slice(p.values[SLM_PROFILE_REGION], "p2"), "a profile of the config file, with no newline at the end");
	slm_profile_parse(text, sizeof(text) - 1, "two words", true, &p);
	UNIT_OK(p.found && is_slice(p.values[SLM_PROFILE_REGION], NULL) && strcmp(p.unsupported, "sso_session") == 0 &&
			is_slice(p.values[SLM_PROFILE_PROCESS], "\"a b\" c"), "quotes");
	slm_profile_parse(text, sizeof(text) - 1, "none", true, &p);
	UNIT_OK(!p.found && is_slice(p.values[SLM_PROFILE_ACCESS_KEY], NULL), "a profile that is not there");
	slm_profile_parse("[", 1, "", false, &p);
	UNIT_OK(!p.found, "an unfinished title");
}

/* The words of a command with bars between them, or "none". */
static bool
words(const char *command, const char *expected)
{
	size_t		len = strlen(command);
	char	   *exact = malloc(len + 1);
	char	   *out = malloc(len + 1);
	char		all[64] = "none";
	const char *word = out;
	bool		same;
	int			n;

	memcpy(exact, command, len);
	n = slm_split_command(exact, len, out);
	if (n >= 0)
		all[0] = '\0';
	for (int i = 0; i < n; i++, word += strlen(word) + 1)
		sprintf(all + strlen(all), "%s%s", i > 0 ? "|" : "", word);
	same = strcmp(all, expected) == 0;
	free(exact);
	free(out);
	return same;
}

static void
test_commands(void)
{
	UNIT_OK(words("/bin/x --a b", "/bin/x|--a|b"), "a command");
	UNIT_OK(words("  \"/opt/a b/x\"\t'$HOME; rm' a\\ b ", "/opt/a b/x|$HOME; rm|a b"), "quotes and backslashes");
	UNIT_OK(words("x \"a\\\"b\\c\" '' \"\"", "x|a\"b\\c||"), "quotes in quotes, and nothing in them");
	UNIT_OK(words("a'b'\"c\"d", "abcd"), "quotes within a word");
	UNIT_OK(words("", "") && words(" ", ""), "no command");
	UNIT_OK(words("x 'a", "none") && words("x \"a\\\"", "none") && words("x \\", "none"), "what isn't closed");
}

static void
test_sts(void)
{
	static const char good[] =
	"<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult><AssumedRoleUser><Arn>x</Arn>"
	"</AssumedRoleUser><Credentials><AccessKeyId>A</AccessKeyId><SecretAccessKey>s&amp;s</SecretAccessKey><SessionToken>t</SessionToken>"
	"<Expiration>2030-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>";
	static const char bad[] =
	"<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>no</Message></Error></ErrorResponse>";
	SlmStsAnswer *answer = malloc(sizeof(SlmStsAnswer));
	char		long_key[400];

	UNIT_OK(slm_sts_parse(good, sizeof(good) - 1, answer) && strcmp(answer->access_key, "A") == 0 && strcmp(answer->secret_key, "s&s") == 0 &&
			strcmp(answer->session_token, "t") == 0 && strcmp(answer->expiration, "2030-01-01T00:00:00Z") == 0 && answer->code[0] == '\0',
			"credentials of a role");
	UNIT_OK(slm_sts_parse(bad, sizeof(bad) - 1, answer) && strcmp(answer->code, "AccessDenied") == 0 && strcmp(answer->message, "no") == 0 &&
			answer->access_key[0] == '\0', "an error of STS");
	UNIT_OK(!slm_sts_parse("<a>", 3, answer) && !slm_sts_parse("", 0, answer), "what is no XML");
	UNIT_OK(!slm_sts_parse("<!DOCTYPE a [<!ENTITY b \"c\">]><a>&b;</a>", 39, answer), "a document type");
	sprintf(long_key, "<Credentials><AccessKeyId>%0300d</AccessKeyId></Credentials>", 1);
	UNIT_OK(!slm_sts_parse(long_key, strlen(long_key), answer), "a key that doesn't fit");
	free(answer);
}

static bool
is_local_link(const char *text)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};

	if (inet_pton(AF_INET, text, &v4.sin_addr) == 1)
		return slm_address_is_local_link((struct sockaddr *) &v4);
	UNIT_OK(inet_pton(AF_INET6, text, &v6.sin6_addr) == 1, text);
	return slm_address_is_local_link((struct sockaddr *) &v6);
}

static void
test_addresses(void)
{
	static const char *const local[] = {"169.254.169.254", "169.254.0.1", "100.100.100.200", "fe80::1", "febf::1", "fd00:ec2::254",
	"::ffff:169.254.169.254", "::169.254.170.2", "64:ff9b::169.254.169.254", "2002:a9fe:a9fe::1", "::ffff:100.100.100.200"};
	static const char *const others[] = {"127.0.0.1", "169.253.255.255", "169.255.0.0", "10.0.0.1", "100.100.100.201", "0.0.0.0", "::1", "::",
	"fec0::1", "fe7f::1", "fd00:ec3::254", "::ffff:127.0.0.1", "2002:7f00:1::1", "2a00::a9fe:a9fe"};

	for (size_t i = 0; i < sizeof(local) / sizeof(local[0]); i++)
		UNIT_OK(is_local_link(local[i]), local[i]);
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		UNIT_OK(!is_local_link(others[i]), others[i]);
}

int
main(void)
{
	test_addresses();
	test_url_parse();
	test_url_coding();
	test_xml_list();
	test_xml_others();
	test_xml_refused();
	test_times();
	test_escape();
	test_profiles();
	test_commands();
	test_sts();
	return unit_done();
}
