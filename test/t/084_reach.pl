# What the server can be made to reach: files and hosts, by whom.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../perl";

use IO::Socket::INET;
use PostgreSQL::Test::Utils;
use SlmS3;
use SlmTest;
use Test::More;

delete $ENV{$_} foreach (grep { /^AWS_/ || /_proxy$/i } keys %ENV);
# What the server process has of its own, and must not give to everybody.
$ENV{AWS_ACCESS_KEY_ID} = 'PROCESSKEY';
$ENV{AWS_SECRET_ACCESS_KEY} = 'processsecret';
$ENV{AWS_SESSION_TOKEN} = 'processtoken';
my $node = slm_node('reach');
my $dir = slm_directory($node, 'in');
my $fake = SlmS3->fake;

write_object($dir, 'a.csv', csv(event()));
$node->safe_psql('shop', <<"SQL");
CREATE ROLE nobody; CREATE ROLE clerk; CREATE ROLE keeper; CREATE ROLE maker;
GRANT pg_read_server_files TO keeper;
GRANT EXECUTE ON FUNCTION sellometer_list, sellometer_read_csv, sellometer_add_source TO clerk, keeper, maker;
GRANT ALL ON SCHEMA sellometer TO clerk, keeper, maker;
GRANT ALL ON ALL TABLES IN SCHEMA sellometer TO clerk, keeper, maker;
CREATE SERVER granted FOREIGN DATA WRAPPER sellometer_s3 OPTIONS (endpoint '$fake->{endpoint}', region 'here');
CREATE SERVER hidden FOREIGN DATA WRAPPER sellometer_s3 OPTIONS (endpoint '$fake->{endpoint}');
CREATE USER MAPPING FOR CURRENT_USER SERVER granted OPTIONS (access_key_id 'SUPERKEY', secret_access_key 'supersecret');
GRANT USAGE ON FOREIGN SERVER granted TO clerk, keeper;
SQL

# as($role, $sql): what is said, error or result.
sub as
{
	my ($role, $sql) = @_;
	my ($status, $out, $err) = $node->psql('shop', "SET ROLE $role; $sql");

	return "$out$err";
}

sub requests { return scalar($fake->requests(qr{^/(?!control)})); }

# refused($role, $what, $why): each way to reach something is refused.
sub refused
{
	my ($role, $arguments, $why, $name) = @_;
	my $before = requests();
	my @wrong;

	for my $call ("SELECT * FROM sellometer_list($arguments)", "SELECT * FROM sellometer_read_csv($arguments)",
		"SELECT sellometer_add_source('x', $arguments)")
	{
		my $said = as($role, $call);

		push @wrong, "$call: $said" unless $said =~ /$why/;
	}
	is(join("\n", @wrong), '', $name);
	is(requests(), $before, '... and nothing was asked of anybody');
	return;
}

# --- files ---

refused('nobody', "'file://$dir/'", qr/permission denied for (function|schema)/, 'who has no right to the functions');
refused('clerk', "'file://$dir/a.csv'", qr/permission denied.*pg_read_server_files/s, 'files need pg_read_server_files');
refused('clerk', "'file:///etc/passwd'", qr/permission denied.*pg_read_server_files/s, '... also others');
refused('clerk', "'file:///no/such/file'", qr/permission denied.*pg_read_server_files/s, '... nor is it told which exist');
like(as('keeper', "SELECT key FROM sellometer_list('file://$dir/')"), qr/^a\.csv/, 'with it they are read');
refused('keeper', "'file://$dir/../in/'", qr/not plain/, 'but not by ways around');
for my $url (map { "'$_'" } 'http://127.0.0.1/', 'https://127.0.0.1/x.csv', 'ftp://127.0.0.1/x', 'gopher://127.0.0.1/', 'dict://127.0.0.1/', 'scp://127.0.0.1/x',
	"$fake->{endpoint}/any/", '/etc/passwd', '//127.0.0.1/x', 'file://127.0.0.1/etc/passwd', '')
{
	refused('keeper', $url, qr/URL|must not be empty/, "no other scheme: $url");
}

# --- hosts: a server that one may use, and a mapping of one's own ---

refused('clerk', "'s3://any/'", qr/permission denied to use the server's own S3 credentials/, 'the environment is not for everybody');
refused('clerk', "'s3://any/', 'hidden'", qr/permission denied for the foreign server/, 'a server needs USAGE');
refused('clerk', "'s3://any/', 'granted'", qr/user mapping not found.*Role "clerk" has none on server "granted"/s, '... and a user mapping');
refused('clerk', "'s3://any\@127.0.0.1/', 'granted'", qr/user mapping not found|invalid bucket/, 'a bucket is not a host');
$node->safe_psql('shop', "CREATE USER MAPPING FOR clerk SERVER granted OPTIONS (access_key_id 'CLERKKEY', secret_access_key 'clerksecret')");
like(as('clerk', "SELECT key FROM sellometer_list('s3://whoami/', 'granted')"), qr/^CLERKKEY\.notoken\.here/, 'then the list is made, with these keys');
for my $bucket ('127.0.0.1:22', 'a@b', '..', '.', 'a%00b', 'a b', 'a#b', '[::1]', "x\r\nHost: y")
{
	like(as('clerk', "SELECT key FROM sellometer_list('s3://$bucket/', 'granted')"), qr/invalid bucket name|there is no such bucket|bucket/, 'odd bucket: ' . ($bucket =~ s/\s/ /gr));
}
unlike(join("\n", map { $_->[2] } $fake->requests(qr{.})), qr{127\.0\.0\.1:22|a\@b|%00}, '... nothing of which was sent');
like(as('clerk', "SELECT key FROM sellometer_list('s3://redirect/', 'granted')"), qr/eu-west-9/, 'a redirection is told');
is(scalar($fake->requests(qr{eu-west-9})), 0, '... not followed');

# --- servers of one's own ---

like(as('clerk', "CREATE SERVER own FOREIGN DATA WRAPPER sellometer_s3 OPTIONS (endpoint '$fake->{endpoint}')"),
	qr/permission denied for foreign-data wrapper/, 'who makes servers must be let');
$node->safe_psql('shop', 'GRANT USAGE ON FOREIGN DATA WRAPPER sellometer_s3 TO maker');
like(as('maker', "CREATE SERVER own FOREIGN DATA WRAPPER sellometer_s3 OPTIONS (ca_file '/etc/passwd')"), qr/permission denied to set option "ca_file"/,
	'but names no file of the server');
for my $endpoint ("http://user:pw\@127.0.0.1", 'http://127.0.0.1/latest/meta-data/', 'file:///etc/passwd', 'http://127.0.0.1?x', "http://127.0.0.1\r\nX: y", 'unix:/x', 'gopher://127.0.0.1')
{
	my $said = as('maker', "CREATE SERVER own FOREIGN DATA WRAPPER sellometer_s3 OPTIONS (endpoint '$endpoint')");

	like($said, qr/invalid endpoint/, 'odd endpoint: ' . ($endpoint =~ s/\s/ /gr));
}
is(as('maker', "CREATE SERVER own FOREIGN DATA WRAPPER sellometer_s3 OPTIONS (endpoint '$fake->{endpoint}')"), '', 'a server of a maker');
refused('maker', "'s3://whoami/', 'own'", qr/user mapping not found/, 'gives the maker nothing of the process');
$node->safe_psql('shop', 'GRANT USAGE ON FOREIGN SERVER own TO keeper');
my $before = requests();
for my $role ('keeper', 'postgres')
{
	like(as($role, "SELECT key FROM sellometer_list('s3://whoami/', 'own')"), qr/permission denied to use the server's own S3 credentials.*Server "own" belongs to "maker"/s,
		"nor does it get the process's credentials from $role");
}
is(requests(), $before, '... nothing was sent');
like(as('keeper', "SELECT key FROM sellometer_list('s3://whoami/', 'granted')"), qr/^PROCESSKEY\.processtoken/, 'a server that a superuser made does');

# Where only neighbours answer, those that hand out credentials among them: looked at when the connection is made, however the address
# is written.  None of these is such a service's, so that nobody is asked if the test fails; test/unit/test_store.c has theirs.
my @local = ('http://169.254.77.78', 'http://2852015438', 'http://0xa9fe4d4e:80', 'http://169.16665934', 'http://[::ffff:169.254.77.78]', 'http://[fe80::77:78]',
	'http://[fd00:ec2:77::78]');

for my $i (0 .. $#local)
{
	as('maker', "CREATE SERVER local$i FOREIGN DATA WRAPPER sellometer_s3 OPTIONS (endpoint '$local[$i]', connect_timeout '1', retry_timeout '1');
		CREATE USER MAPPING FOR maker SERVER local$i OPTIONS (access_key_id 'K', secret_access_key 's')");
	refused('maker', "'s3://latest/', 'local$i'", qr/permission denied for the endpoint's address.*belongs to a superuser/s, "not everybody leads the server to $local[$i]");
}
# A link-local address of IPv6 without an interface: the kernel refuses to connect, so that nothing is sent to anybody.
my ($nowhere) = grep { $local[$_] =~ /fe80/ } 0 .. $#local;
$node->safe_psql('shop', "ALTER SERVER local$nowhere OWNER TO postgres; GRANT USAGE ON FOREIGN SERVER local$nowhere TO maker");
my $tried = as('maker', "SELECT key FROM sellometer_list('s3://latest/', 'local$nowhere')");
like($tried, qr/could not list/, 'a superuser may');
unlike($tried, qr/for the endpoint's address/, '... nothing is refused then');
like(as('maker', "ALTER SERVER local$nowhere OPTIONS (SET endpoint 'http://[fe80::77:79]')"), qr/must be owner/, '... and what is his nobody points elsewhere');

# --- a source is read with the rights of whom it belongs to ---

is(as('clerk', "SELECT sellometer_add_source('by_clerk', 's3://shelf/', 'granted')"), '', 'a source by the clerk');
$node->safe_psql('shop', 'DROP USER MAPPING FOR clerk SERVER granted');
$node->safe_psql('shop', 'CALL sellometer_ingest()');
like($node->safe_psql('shop', q{SELECT last_error FROM sellometer.sources WHERE name = 'by_clerk'}), qr/user mapping not found: Role "clerk" has none/,
	'... is not read by the superuser either, once the mapping is gone');

# --- and nothing of a secret is to be seen ---

my $secrets = qr/supersecret|clerksecret|processsecret|processtoken|verysecret/;
my @lines = grep { /$secrets/ && !/statement: .*CREATE USER MAPPING/ && !/^CREATE USER MAPPING/ } split(/\n/, slurp_file($node->logfile));
is(join("\n", @lines), '', 'no secret in the log');
unlike(as('clerk', 'SELECT * FROM pg_user_mappings; SELECT * FROM sellometer.sources; SELECT * FROM sellometer.runs'), $secrets, 'nor in a view');

$node->stop;
done_testing();
