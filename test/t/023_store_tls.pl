# TLS in front of a real S3 server, with an authority of our own; and virtual-hosted URLs.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../perl";

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use SlmS3;
use Test::More;

delete $ENV{$_} foreach (grep { /^AWS_/ || /_proxy$/i } keys %ENV);
my $dir = PostgreSQL::Test::Utils::tempdir();

# An authority, and certificates that it signs for a host name.
sub authority
{
	my ($name) = @_;

	run_quietly('openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', "/CN=$name",
		'-keyout', "$dir/$name.key", '-out', "$dir/$name.crt");
	return;
}

sub certificate
{
	my ($name, $authority, $host) = @_;

	open(my $file, '>', "$dir/$name.ext") or die;
	print $file "subjectAltName=$host\n";
	close($file) or die;
	run_quietly('openssl', 'req', '-newkey', 'rsa:2048', '-nodes', '-subj', "/CN=$name", '-keyout', "$dir/$name.key",
		'-out', "$dir/$name.csr");
	run_quietly('openssl', 'x509', '-req', '-in', "$dir/$name.csr", '-CA', "$dir/$authority.crt", '-CAkey',
		"$dir/$authority.key", '-CAcreateserial', '-days', '2', '-extfile', "$dir/$name.ext", '-out', "$dir/$name.crt");
	return ("$dir/$name.crt", "$dir/$name.key");
}

sub run_quietly
{
	my @command = @_;
	my $out;

	IPC::Run::run(\@command, '<', \undef, '&>', \$out) or die "@command failed: $out";
	return;
}

authority('ca');
authority('otherca');
my @good = certificate('good', 'ca', 'IP:127.0.0.1,DNS:localhost,DNS:*.localhost');
my @other_host = certificate('otherhost', 'ca', 'DNS:elsewhere.example');

my $s3 = SlmS3->swift;
my ($port) = $s3->{endpoint} =~ /:(\d+)$/;
my $tls = SlmS3->fake('--tls', @good, '--forward', $port);
my $wrong = SlmS3->fake('--tls', @other_host, '--forward', $port);
my $fake = SlmS3->fake;
my $node = PostgreSQL::Test::Cluster->new('tls');

$node->init;
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION sellometer; CREATE EXTENSION store_api');
my %keys = (mapping_access_key_id => 'test:tester', mapping_secret_access_key => 'testing', retry_timeout => 1);
$tls->create_server($node, 'postgres', 'good', ca_file => "$dir/ca.crt", %keys);
$tls->create_server($node, 'postgres', 'system', %keys);
$tls->create_server($node, 'postgres', 'other', ca_file => "$dir/otherca.crt", %keys);
$tls->create_server($node, 'postgres', 'missing', ca_file => "$dir/missing.crt", %keys);
$wrong->create_server($node, 'postgres', 'host', ca_file => "$dir/ca.crt", %keys);
$node->safe_psql('postgres', "CREATE SERVER plain FOREIGN DATA WRAPPER sellometer_s3"
	  . " OPTIONS (endpoint 'https://127.0.0.1:$port', retry_timeout '1');"
	  . "CREATE USER MAPPING FOR CURRENT_USER SERVER plain OPTIONS (access_key_id 'a', secret_access_key 'b')");
$s3->client('mkbucket', 'shop');

sub failure
{
	my ($server, $bucket) = @_;
	my ($out, $err);

	$bucket //= 'shop';
	$node->psql('postgres', "SELECT * FROM sellometer_list('s3://$bucket/', '$server')", stdout => \$out, stderr => \$err);
	return $err;
}

is( $node->safe_psql('postgres', "SELECT store_put('s3://shop/', 'a', repeat('x', 5000000)::bytea, 'good') IS NOT NULL;"
		  . "SELECT length(store_get('s3://shop/', 'a', 'good'));"
		  . "SELECT key, size FROM sellometer_list('s3://shop/', 'good')"),
	"t\n5000000\na|5000000", 'TLS with an authority of our own');
my $untrusted = qr/could not list "s3:\/\/shop\/": the server's certificate can't be trusted.*HINT:.*ca_file/s;
like(failure('system'), $untrusted, 'the authority must be known');
like(failure('other'), $untrusted, '... and the right one');
like(failure('host'), qr/the server's certificate is for another name.*HINT:  Write a name that the certificate is for.*endpoint/s, 'the host name must be the right one');
like(failure('missing'), qr/the file of trusted certificates can't be used.*HINT:.*ca_file/s, 'a ca_file that is missing');
like(failure('plain'), qr/no TLS connection could be made.*https or http/s, 'https where http is spoken');

# And http where TLS is spoken, whether the server hangs up or says so.
for my $case ([ $tls->{port}, 'shop', qr/(the connection broke|no HTTP).*HINT:.*port speaks TLS.*https:/s ], [ $fake->{port}, 'tlsport', qr/the endpoint speaks TLS.*HINT:.*https:/s ])
{
	my $name = "clear_$case->[1]";

	$node->safe_psql('postgres', "CREATE SERVER $name FOREIGN DATA WRAPPER sellometer_s3"
		  . " OPTIONS (endpoint 'http://127.0.0.1:$case->[0]', retry_timeout '1');"
		  . "CREATE USER MAPPING FOR CURRENT_USER SERVER $name OPTIONS (access_key_id 'a', secret_access_key 'b')");
	like(failure($name, $case->[1]), $case->[2], "http where https is spoken: $case->[1]");
}

# A bucket's name before the host's needs a name that it can stand before, and a certificate for both.
$wrong->{endpoint} =~ s/127\.0\.0\.1/localhost/;
$wrong->create_server($node, 'postgres', 'names', ca_file => "$dir/ca.crt", url_style => 'virtual', %keys);
like(failure('names'), qr/certificate is for another name.*HINT:.*shop\.localhost.*url_style to 'path'.*\*\.localhost/s, 'a certificate that is not for the bucket');
for my $endpoint ('http://[::1]:9', 'http://127.0.0.1:9', 'https://[::1]', 'http://2130706433')
{
	$node->safe_psql('postgres', "DROP SERVER IF EXISTS numbers CASCADE; CREATE SERVER numbers FOREIGN DATA WRAPPER sellometer_s3"
		  . " OPTIONS (endpoint '$endpoint', url_style 'virtual');"
		  . "CREATE USER MAPPING FOR CURRENT_USER SERVER numbers OPTIONS (access_key_id 'a', secret_access_key 'b')");
	like(failure('numbers'), qr/the bucket can't stand before an address.*HINT:.*'path'/s, "no bucket before $endpoint");
}

# Virtual-hosted style: the bucket is a part of the host's name (which resolves, as any name below localhost does).
$fake->{endpoint} =~ s/127\.0\.0\.1/localhost/;
$fake->create_server($node, 'postgres', 'virtual', url_style => 'virtual');
is($node->safe_psql('postgres', "SELECT key FROM sellometer_list('s3://whoami/', 'virtual')"),
	'AKIATEST.notoken.us-east-1.whoami.localhost', 'virtual-hosted style');
my ($out, $err);
$node->psql('postgres', "SELECT * FROM sellometer_list('s3://who.am.i/', 'virtual')", stdout => \$out, stderr => \$err);
like($err, qr/bucket "who\.am\.i" can't be part of a host name.*HINT:.*'path'/s, '... needs a fitting name');

done_testing();
