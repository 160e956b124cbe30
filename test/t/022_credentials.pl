# Where S3 credentials come from, their refresh, and that no value of them is ever shown.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../perl";

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use SlmS3;
use SlmTest;
use Test::More;

my $fake = SlmS3->fake;
my $node = PostgreSQL::Test::Cluster->new('credentials');
my $home = PostgreSQL::Test::Utils::tempdir();

delete $ENV{$_} foreach (grep { /^AWS_/ || /_proxy$/i } keys %ENV);
$ENV{HOME} = $home;
$ENV{AWS_ENDPOINT_URL} = $fake->{endpoint};
$ENV{AWS_EC2_METADATA_DISABLED} = 'true';
$node->init;
$node->append_conf('postgresql.conf', "log_statement = none\nlog_min_messages = debug1");
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION sellometer');

# Restart the server with these variables, and no others of AWS's than those above.
sub with_environment
{
	my (%variables) = @_;

	local @ENV{ keys %variables } = values %variables;
	$node->restart;
	return;
}

# The stand-in lists one object, named for the access key, session token and region that it was asked with.
my $ask = "SELECT split_part(key, '.', 1), split_part(key, '.', 2), split_part(key, '.', 3)"
  . " FROM sellometer_list('s3://whoami/')";
my $all_errors = '';

sub who { return $node->safe_psql('postgres', $ask); }

sub failure
{
	my ($sql) = @_;
	my ($out, $err);

	$node->psql('postgres', $sql // $ask, stdout => \$out, stderr => \$err);
	$all_errors .= $err;
	return $err;
}

# Nothing at all.
like(failure(), qr/no S3 credentials were found.*DETAIL.*HINT:.*user mapping/s, 'no credentials anywhere');

# The environment.
with_environment(AWS_ACCESS_KEY_ID => 'ENVKEY', AWS_SECRET_ACCESS_KEY => 'envsecret');
is(who(), 'ENVKEY|notoken|us-east-1', 'the environment');
with_environment(
	AWS_ACCESS_KEY_ID => 'ENVKEY', AWS_SECRET_ACCESS_KEY => 'envsecret', AWS_SESSION_TOKEN => 'envtoken',
	AWS_DEFAULT_REGION => 'eu-central-1');
is(who(), 'ENVKEY|envtoken|eu-central-1', '... with a session token and a region');
with_environment(AWS_ACCESS_KEY_ID => "ENV\nKEY", AWS_SECRET_ACCESS_KEY => 'envsecret');
like(failure(), qr/the S3 credentials are not valid.*Those from the environment variable/s, '... with a line break');
with_environment(
	AWS_ACCESS_KEY_ID => 'ENVKEY', AWS_SECRET_ACCESS_KEY => 'envsecret', AWS_SESSION_TOKEN => 'envtoken',
	AWS_DEFAULT_REGION => 'eu-central-1');
like(failure("SELECT * FROM sellometer_list('s3://echo/')"), qr/The credentials came from the environment variable/,
	'errors name the source');
like(failure("SELECT * FROM sellometer_list('s3://expired/')"), qr/the session token has expired/, 'an expired token');

# A user mapping comes first.
$fake->create_server($node, 'postgres', 'f', region => 'ap-south-1');
is($node->safe_psql('postgres', "SELECT key ~ '^AKIATEST\\.notoken\\.ap-south-1\\.' FROM sellometer_list('s3://whoami/', 'f')"),
	't', 'a user mapping comes before the environment');
$node->safe_psql('postgres', 'DROP USER MAPPING FOR CURRENT_USER SERVER f');
is($node->safe_psql('postgres', "SELECT key ~ '^ENVKEY\\.envtoken\\.ap-south-1\\.' FROM sellometer_list('s3://whoami/', 'f')"),
	't', 'a superuser without a mapping uses the environment');

# The credentials of the server's process are not for everyone who may use a foreign server, and to change something
# with them wants one more right.
$node->safe_psql('postgres', 'CREATE ROLE clerk; GRANT USAGE ON FOREIGN SERVER f TO clerk;'
	  . 'GRANT EXECUTE ON FUNCTION sellometer_list(text, text) TO clerk');
like(failure("SET ROLE clerk; SELECT * FROM sellometer_list('s3://whoami/', 'f')"), qr/user mapping not found.*Role "clerk"/s,
	'others do not');

# Shared files.
mkdir "$home/.aws";
write_file("$home/.aws/credentials", <<'FILE');
# comment
[other]
aws_access_key_id = OTHERKEY ; comment
aws_secret_access_key=othersecret
aws_session_token = othertoken

[default]
aws_access_key_id=FILEKEY
aws_secret_access_key = filesecret
FILE
write_file("$home/.aws/config", <<'FILE');
[default]
region = eu-north-1
s3 =
  region = wrong
[profile third]
aws_access_key_id = CONFIGKEY
aws_secret_access_key = configsecret
region = sa-east-1
[profile single]
sso_start_url = https://example.awsapps.com/start
FILE
with_environment();
is(who(), 'FILEKEY|notoken|eu-north-1', 'the shared credentials file, and the region of the config file');
with_environment(AWS_PROFILE => 'other');
is(who(), 'OTHERKEY|othertoken|us-east-1', '... another profile');
like(failure("SELECT * FROM sellometer_list('s3://echo/')"), qr/profile "other" of the shared credentials file/,
	'... named in errors');
with_environment(AWS_PROFILE => 'third');
is(who(), 'CONFIGKEY|notoken|sa-east-1', 'a profile of the config file');
with_environment(AWS_PROFILE => 'single');
like(failure(), qr/could not get S3 credentials.*Profile "single" uses sso_start_url, which is not supported.*HINT/s, 'a profile that we cannot use');
with_environment(AWS_PROFILE => 'nosuch');
like(failure(), qr/no S3 credentials were found.*There are none in profile "nosuch".*AWS_PROFILE/s, 'a profile that is not there');
write_file("$home/elsewhere", "[default]\naws_access_key_id = PLACEKEY\naws_secret_access_key = placesecret\n");
with_environment(AWS_SHARED_CREDENTIALS_FILE => "$home/elsewhere");
is(who(), 'PLACEKEY|notoken|eu-north-1', 'a file elsewhere');
with_environment(AWS_SHARED_CREDENTIALS_FILE => "$home/missing");
like(failure(), qr/could not read the file that AWS_SHARED_CREDENTIALS_FILE names: No such file/, '... that is missing');

# A key that was replaced in the file while a backend holds the old one.
write_file("$home/elsewhere", "[default]\naws_access_key_id = STALEKEY\naws_secret_access_key = placesecret\n");
with_environment(AWS_SHARED_CREDENTIALS_FILE => "$home/elsewhere");
is( $node->safe_psql('postgres', "$ask;"
		  . " COPY (SELECT '[default]') TO PROGRAM 'cat > $home/elsewhere; echo aws_access_key_id=FRESHKEY >> $home/elsewhere;"
		  . " echo aws_secret_access_key=freshsecret >> $home/elsewhere';"
		  . " SELECT count(*) FROM sellometer_list('s3://expired/'); $ask"),
	"STALEKEY|notoken|eu-north-1\n0\nFRESHKEY|notoken|eu-north-1", 'refused credentials are read again from the file');
unlink "$home/.aws/credentials", "$home/.aws/config";

# A container.
my $container = "$fake->{endpoint}/container/role";
with_environment(AWS_CONTAINER_CREDENTIALS_FULL_URI => $container);
is(who(), 'ROLEKEY|roletoken|us-east-1', 'container metadata');
$fake->control(authorization => 'containertoken');
like(failure(), qr/could not get S3 credentials.*the container's metadata service.*403/s,
	'... that wants an authorization');
with_environment(
	AWS_CONTAINER_CREDENTIALS_FULL_URI => $container,
	AWS_CONTAINER_AUTHORIZATION_TOKEN => 'containertoken');
is(who(), 'ROLEKEY|roletoken|us-east-1', '... and gets it');
write_file("$home/token", "containertoken\n");
with_environment(
	AWS_CONTAINER_CREDENTIALS_FULL_URI => $container,
	AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE => "$home/token");
is(who(), 'ROLEKEY|roletoken|us-east-1', '... from a file');
with_environment(AWS_CONTAINER_CREDENTIALS_FULL_URI => 'http://metadata.example/role');
like(failure(), qr/neither https nor local/, 'a token is not sent to just any host');
$fake->control(role_status => 500);
with_environment(AWS_CONTAINER_CREDENTIALS_FULL_URI => $container);
like(failure(), qr/could not get S3 credentials.*the container's metadata service.*500/s, '... that fails');
$fake->control(role_status => 200);

# An instance: the token first, then the role's name, then its credentials.
my %instance = (AWS_EC2_METADATA_DISABLED => 'false', AWS_EC2_METADATA_SERVICE_ENDPOINT => "$fake->{endpoint}/");
with_environment(%instance);
is(who(), 'ROLEKEY|roletoken|us-east-1', 'instance metadata (IMDSv2)');
like(failure("SELECT * FROM sellometer_list('s3://echo/')"), qr/came from the instance's metadata service/,
	'... named in errors');
my $asked = scalar($fake->requests(qr{^/latest/api/token}));
is($node->safe_psql('postgres', "$ask; $ask; SELECT count(*) FROM sellometer_list('s3://many/')"),
	"ROLEKEY|roletoken|us-east-1\nROLEKEY|roletoken|us-east-1\n40", 'several calls of a backend');
is(scalar($fake->requests(qr{^/latest/api/token})), $asked + 1, '... ask once');
$fake->control(role_status => 404);
like(failure(), qr/no S3 credentials were found/, 'an instance without a role');
$fake->control(role_status => 500);
like(failure(), qr/could not get S3 credentials.*the instance's metadata service.*500/s, 'a service that fails');
$fake->control(role_status => 200, token_status => 403);
like(failure(), qr/could not get S3 credentials.*the instance's metadata service.*403/s, '... or refuses the token');
$fake->control(token_status => 200);

# Refresh: what expires soon is asked for again, and what the server calls expired too, once.
my $change = sub {
	my ($name, $value) = @_;
	return "COPY (SELECT 1) TO PROGRAM 'cat > /dev/null; python3 -c \"import urllib.request as u;"
	  . " u.urlopen(u.Request(\\\"$fake->{endpoint}/control/$name\\\", b\\\"$value\\\", method=\\\"PUT\\\"))\"';";
};
$fake->control(expires_in => 100);
$asked = scalar($fake->requests(qr{^/latest/api/token}));
is($node->safe_psql('postgres', "$ask; $ask"), "ROLEKEY|roletoken|us-east-1\nROLEKEY|roletoken|us-east-1",
	'credentials that expire in 100 seconds');
is(scalar($fake->requests(qr{^/latest/api/token})), $asked + 1, '... are not asked for at each call');
$fake->control(expires_in => 0);
is($node->safe_psql('postgres', "$ask; " . $change->('access_key', 'NEXTKEY') . $ask),
	"ROLEKEY|roletoken|us-east-1\nNEXTKEY|roletoken|us-east-1", 'expired credentials are asked for again');
$fake->control(expires_in => 3600, access_key => 'OLDKEY');
is( $node->safe_psql('postgres', "$ask; " . $change->('access_key', 'FRESHROLE')
		  . "SELECT count(*) FROM sellometer_list('s3://expired/'); $ask"),
	"OLDKEY|roletoken|us-east-1\n0\nFRESHROLE|roletoken|us-east-1",
	'credentials that the server calls expired are asked for again');
$fake->control(access_key => 'OLDKEY');
my $refused = scalar($fake->requests(qr{^/expired}));
like(failure("SELECT count(*) FROM sellometer_list('s3://expired/')"), qr/the session token has expired/,
	'... and if they stay expired, that is an error');
is(scalar($fake->requests(qr{^/expired})), $refused + 2, '... after two requests');

# No value stands in any message, log, or catalogue that others can read.
my $log = slurp_file($node->logfile);
my $secrets = qr/envsecret|envtoken|othersecret|othertoken|filesecret|configsecret|placesecret|freshsecret|rolesecret|roletoken|containertoken|imds-token|verysecret/;
$log =~ s/^.*(?:CREATE USER MAPPING|COPY \().*$//mg;    # the statements of the test itself
unlike($all_errors, $secrets, 'no secret in an error');
unlike($log, $secrets, 'no secret in the log');
$node->safe_psql('postgres',
	"CREATE USER MAPPING FOR CURRENT_USER SERVER f OPTIONS (access_key_id 'K', secret_access_key 'hiddensecret')");
is($node->safe_psql('postgres', "SET ROLE clerk; SELECT count(*) FROM pg_user_mappings WHERE umoptions::text ~ 'hiddensecret'"),
	'0', 'others do not see the options of a user mapping');

done_testing();
