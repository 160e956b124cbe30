# Directories as stores: reading, writing, deleting, and what must not be possible.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use SlmTest;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('store');
$node->init;
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION sellometer; CREATE EXTENSION store_api');

my $dir = $node->basedir . '/objects';
my $url = "file://$dir/";
mkdir $dir or die;

sub value { return $node->safe_psql('postgres', $_[0]); }

sub failure
{
	my ($sql) = @_;
	my ($out, $err);

	$node->psql('postgres', "$sql; SELECT kind FROM store_last_error()", stdout => \$out, stderr => \$err,
		on_error_stop => 0);
	return ($err, $out);
}

# Writing: whole or not at all, with the directories that are missing.
like(value("SELECT store_put('$url', '2019/10/a b.csv', 'abc')"), qr/^[0-9a-f]+-3-[0-9a-f]+$/, 'a file is written');
is(slurp_file("$dir/2019/10/a b.csv"), 'abc', '... whole');
is(value("SELECT store_put('$url', '2019/10/a b.csv', 'defg') = etag FROM sellometer_list('$url')"), 'f',
	'... and replaced: another ETag than before');
is(value("SELECT string_agg(key, '|') FROM sellometer_list('$url')"), '2019/10/a b.csv', '... with nothing left beside it');
is(value("SELECT store_stream('$url', 'big', 10000001) ~ '^[0-9a-f]+-989681-[0-9a-f]+\$'"), 't', 'a large one in pieces');
is(-s "$dir/big", 10000001, '... whole');
value("SELECT store_stream('$url', 'aborted', 3000000, abort => true)");
is(join(' ', sort(slurp_dir($dir))), '. .. 2019 big', 'an aborted one leaves nothing');

# Reading.
is(value("SELECT store_get('$url', '2019/10/a b.csv', etag => etag)::text FROM sellometer_list('$url') WHERE key LIKE '2%'"),
	'\x64656667', 'a file is read');
is(value("SELECT length(store_get('$url', 'big', \"offset\" => 3000000)), length(store_get('$url', 'big', \"offset\" => 10000001))"),
	'7000001|0', '... from an offset, and from its end');
is(value("SELECT objects, bytes, peak_memory < 4000000 FROM store_read_all('$url')"), '2|10000005|t',
	'... with bounded memory');

is(value("SELECT store_list_growth('$url')"), '0', 'listing again and again takes no more memory');

my ($err, $kind) = failure("SELECT store_get('$url', 'big', etag => 'other')");
like($err, qr/is not the one that was listed.*HINT:.*rename/s, 'a file with another ETag');
is($kind, 'changed', '... its kind');
($err, $kind) = failure("SELECT store_get('$url', 'big', meanwhile => \$\$COPY (SELECT 1) TO PROGRAM 'cat >> $dir/big'\$\$)");
is($kind, 'changed', 'a file that grows while it is read');
($err, $kind) =
  failure("SELECT store_get('$url', 'big', meanwhile => \$\$COPY (SELECT 1) TO PROGRAM 'cat > /dev/null; truncate -s 5000 $dir/big'\$\$)");
is($kind, 'changed', 'a file that shrinks while it is read');
value("SELECT store_stream('$url', 'big', 5000000)");
is( value("SELECT length(store_get('$url', 'big',"
		  . " meanwhile => \$\$COPY (SELECT 1) TO PROGRAM 'cat > /dev/null; echo x > $dir/n.tmp; mv $dir/n.tmp $dir/big'\$\$))"),
	'5000000', 'a file that is replaced by rename while it is read: the one that was opened');
($err, $kind) = failure("SELECT store_get('$url', 'missing')");
like($err, qr/could not open file .*: No such file/, 'a file that is missing');
is($kind, 'not_found', '... its kind');
($err, $kind) = failure("SELECT store_get('$url', 'big', \"offset\" => 99)");
like($err, qr/shorter than the offset/, 'an offset behind the end');

# Nothing leads out of the directory.
write_file($node->basedir . '/secret', 'secret');
symlink '../secret', "$dir/link" or die;
symlink '..', "$dir/up" or die;
foreach my $key ('../secret', '2019/../../secret', 'link', 'up/secret', '/etc/passwd', './big', '2019//x', '', '2019/10/', '.')
{
	($err, $kind) = failure("SELECT store_get('$url', '$key')");
	like($err, qr/^psql:.*ERROR:/, "can't read \"$key\"");
	unlike($err . $kind, qr/736563726574|root:/, '... at all');
	next if $key eq 'link';
	($err) = failure("SELECT store_put('$url', '$key', 'bad')");
	like($err, qr/^psql:.*ERROR:/, "can't write \"$key\"");
	failure("SELECT store_delete('$url', ARRAY['$key'])");
}
is(slurp_file($node->basedir . '/secret'), 'secret', 'the file outside is as it was');
value("SELECT store_put('$url', 'link', 'new')");
is(-l "$dir/link" ? 'link' : slurp_file("$dir/link"), 'new', 'writing replaces a link, not what it points at');
is(slurp_file($node->basedir . '/secret'), 'secret', '... which is as it was');
system('mkfifo', "$dir/pipe") == 0 or die;
($err) = failure("SELECT store_get('$url', 'pipe')");
like($err, qr/is not a regular file/, 'a pipe is not waited for');

# Deleting.
value("SELECT store_delete('$url', ARRAY['link', 'gone', 'no/such/directory', '2019/10/a b.csv'])");
is(join(' ', sort(slurp_dir("$dir/2019/10"))), '. ..', 'files are deleted; those that are gone are no failure');
($err, $kind) = failure("SELECT store_delete('file://$dir/nowhere/', ARRAY['x'])");
is($kind, 'not_found', "but a store's directory that is missing is");

# What killed processes left.
write_file("$dir/.slm-0000000000000001.tmp", 'x');
write_file("$dir/2019/.slm-0000000000000002.tmp", 'x');
write_file("$dir/2019/other.tmp", 'x');
is(value("SELECT store_abort_uploads('$url', '', now() - interval '1 hour')"), '0', 'unfinished files that are new stay');
is(value("SELECT store_abort_uploads('$url', '', now() + interval '1 hour')"), '2', 'older ones are removed');
is(join(' ', sort(slurp_dir("$dir/2019"))), '. .. 10 other.tmp', '... and nothing else');

# Rights: reading and writing are two.
value('CREATE ROLE reader; GRANT pg_read_server_files TO reader');
is(value("SET ROLE reader; SELECT length(store_get('$url', 'big'))"), '2', 'a reader reads');
($err, $kind) = failure("SET ROLE reader; SELECT store_put('$url', 'x', 'y')");
like($err, qr/permission denied to change.*pg_write_server_files/s, '... but does not write');
is($kind, 'denied', '... its kind');
($err) = failure("SET ROLE reader; SELECT store_stream('$url', 'x', 10)");
like($err, qr/permission denied to change/, '... nor in pieces');
($err) = failure("SET ROLE reader; SELECT store_delete('$url', ARRAY['big'])");
like($err, qr/permission denied to change/, '... nor deletes');
($err) = failure("SET ROLE reader; SELECT store_abort_uploads('$url', '', now())");
like($err, qr/permission denied to change/, '... nor clears');

# A directory that may not be read.
mkdir "$dir/closed" or die;
chmod 0, "$dir/closed";
($err, $kind) = failure("SELECT * FROM store_list('$url')");
like($err, qr{could not open directory ".*/closed/": Permission denied}, 'a directory that may not be read is an error where nobody would hear of it');
is($kind, 'denied', '... its kind');
($err) = failure("SELECT key FROM sellometer_list('$url')");
like($err, qr{WARNING:  1 directory or object was left out because it can't be read\nDETAIL:  The first one is "closed/": Permission denied\.},
	'... and told of where somebody does');
unlike($err, qr/ERROR/, '... while the rest is listed');
chmod 0700, "$dir/closed";

# Descriptors.
is( value("DO \$\$ BEGIN FOR i IN 1 .. 300 LOOP BEGIN PERFORM store_get('$url', 'big', etag => 'x');"
		  . " EXCEPTION WHEN OTHERS THEN NULL; END; END LOOP; END \$\$;"
		  . "SELECT count(*) < 40 FROM pg_ls_dir('/proc/' || pg_backend_pid() || '/fd')"),
	't', 'failures leave no descriptors open');

done_testing();
