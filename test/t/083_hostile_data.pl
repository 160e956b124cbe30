# Names of sources, keys of objects, brands and categories are data, whatever stands in them: never SQL, a path, a format, HTML.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../perl";

use PostgreSQL::Test::Utils;
use SlmHistory qw(everything_agrees wait_until_loaded unexpected_in_log);
use SlmS3;
use SlmTest;
use Test::More;

delete $ENV{$_} foreach (grep { /^AWS_/ || /_proxy$/i } keys %ENV);
my $node = slm_node('hostile');
my $dir = slm_directory($node, 'in');
my $fake = SlmS3->fake;
my $emoji = "\xf0\x9f\x92\xa9\xf0\x9f\x8f\xb4\xe2\x80\x8d\xe2\x98\xa0\xef\xb8\x8f";
my $rtl = "\xe2\x80\xaegnp.exe\xe2\x80\xac";		# right-to-left override

my @texts = (q{'; DROP TABLE sellometer.objects CASCADE; --}, q{"; DROP TABLE sellometer.objects CASCADE; --}, q{\'; SELECT pg_sleep(9); --},
	'$$; DROP SCHEMA sellometer CASCADE; $$', '%s%n%I%L%1$s%%', '{evil,"a"}', '(1,2)', 'NULL', '\\N', '\\.', '\\', q{'}, q{"}, q{''""''}, '<script>alert(1)</script>',
	'<img src=x onerror=alert(1)>', '&lt;b&gt;&amp;', '${jndi:ldap://x}', '$(touch pwned)', '`touch pwned`', '../../../../etc/passwd', ' lead and trail ',
	"tab\tand\rcr", $emoji, $rtl, 'x' x 1000);
my $literal = sub { my ($text) = @_; return 'E\'' . ($text =~ s/([\\'])/\\$1/gr) . q{'}; };

# --- brands and categories ---

my $n = 0;
write_object($dir, 'brands.csv', csv(map { event(event_type => 'purchase', brand => $_, product_id => ++$n, price => $n,
	category_code => length($_) < 300 ? $_ : '') } @texts));
write_object($dir, 'lines.csv', csv(map { event(event_type => 'purchase', brand => "two\n$_", product_id => 7, price => 1) } @texts));
# of the next two one row each can be used
write_object($dir, 'types.csv', csv(event(user_session => 'good'), map { event(event_type => $_, user_session => $_) } @texts));
write_object($dir, 'prices.csv', csv(event(user_session => 'better'), map { event(price => $_, product_id => $_, event_time => $_) } @texts));

# --- keys in a directory: anything but a slash; up to 255 bytes each part ---

my @keys = grep { length($_) <= 251 && !m{/} } @texts;
my $deep = join('/', map { 'd' x 240 } 1 .. 4) . '/' . 'k' x 56;	# 1,024 bytes with ".csv"
my $i = 0;
foreach my $key ((map { "$_.csv" } @keys, "new\nline", '..dots..', '-rf', '~root', '2019-10-01-00-00-1'), "$deep.csv")
{
	write_object($dir, $key, csv(event(event_type => 'cart', product_id => 1000 + ++$i, price => $i)));
}
# one that fails, so that its name is in messages
my $broken = '<img src=x onerror=alert(2)> %s%n \'"; DROP TABLE x; --.csv';
write_object($dir, $broken, "event_time\n");
my $name = q{we'b"; DROP TABLE sellometer.sources; -- <b>};
$node->safe_psql('shop', "SELECT sellometer_add_source(" . $literal->($name) . ", 'file://$dir/')");
wait_until_loaded($node);
is($node->safe_psql('shop', 'SELECT key, error FROM sellometer.objects WHERE state <> \'done\''),
	"$broken|the header line lacks the required column \"event_type\" (repair the object and put it there again under the same key, or put it aside with sellometer_skip())",
	'all but the one that is no use is loaded, under the names that they have');
$node->safe_psql('shop', 'CALL sellometer_rollup()');
is($node->safe_psql('shop', q{SELECT count(*) FROM sellometer.objects WHERE octet_length(key) = 1024}), '1', 'one with a name of 1,024 bytes');

# Each text is a key of its own, and is found by it.
$n = 0;
my @wrong;
for my $text (@texts)
{
	$n++;
	# words for nothing are none; marks of direction at the ends go
	my $brand = $text eq 'NULL' || $text eq '\\N' ? $n : $text eq $rtl ? 'gnp.exe' : $text;
	my $key = $literal->($brand);
	my $found = $node->safe_psql('shop', "SELECT gmv, count FROM sellometer.purchase_brand_minute WHERE brand IN ($key, trim($key)) AND gmv = $n;
		SELECT gmv, count FROM sellometer.purchase_brand_hour WHERE brand IN ($key, trim($key)) AND gmv = $n;
		SELECT sum(gmv), sum(count) FROM sellometer_series('brand', 'purchase', (SELECT brand FROM sellometer.purchase_brand_hour WHERE brand IN ($key, trim($key)) AND gmv = $n),
			'2019-10-01', '2019-10-02', '1 day');
		SELECT gmv, count FROM sellometer_top('brand', 'purchase', '2019-10-01', '2019-10-02', 1000) WHERE key IN ($key, trim($key)) AND gmv = $n");
	push @wrong, "$text: $found" if $found !~ /^($n(?:\.0+)?\|1\n?){4}$/;
}
is(join("\n", @wrong), '', 'brands are brands in tables, views, series and top');
my $both = join(', ', map { $literal->($_) } $name, $broken);
$node->safe_psql('shop', "SELECT sellometer_skip($both); SELECT sellometer_retry($both)");
wait_until_loaded($node);
is($node->safe_psql('shop', q{SELECT attempts, state FROM sellometer.objects WHERE state <> 'done'}), '1|failed', 'functions take a hostile name');

# --- the report ---

my $report = $node->safe_psql('shop', 'SELECT sellometer_report()');
like($report, qr/&lt;/, 'the report shows what looks like HTML');
unlike($report, qr/<script>alert|<img src=x|-- <b>/, '... as text');
$node->safe_psql('shop', q{UPDATE sellometer.sources SET last_error = '<script>alert(3)</script>', last_error_at = now()});
unlike($node->safe_psql('shop', 'SELECT sellometer_report()'), qr/<script>alert/, '... error messages too');

# --- as many as there are, and nothing more ---

everything_agrees($node, 'hostile texts', $dir);
ok(!-e $node->data_dir . '/pwned', 'nothing was executed');

# --- keys in a bucket: any 1,024 bytes ---

$fake->create_server($node, 'shop', 'f');
$node->safe_psql('shop', q{SELECT sellometer_add_source('s3', 's3://shelf/in/', server => 'f')});
$i = 0;
my @s3_keys = map { "in/$_.csv" } ('../../../../etc/passwd', 'a..', "../$emoji", q{'; DROP TABLE sellometer.objects CASCADE; --}, 'a//b', '%2e%2e%2f', '%s%n', 'x' x 1017,
	"$emoji/$rtl", '?delete', '#', 'a?b=c', '+ +', ';', '\\');
for my $key (@s3_keys)
{
	my $path = $key =~ s{([^A-Za-z0-9/._-])}{sprintf('%%%02X', ord $1)}ger;

	$fake->put("shelf/$path", csv(event(event_type => 'remove_from_cart', product_id => 5000 + ++$i)));
}
wait_until_loaded($node);
is($node->safe_psql('shop', q{SELECT string_agg(key, ' ' ORDER BY key COLLATE "C") FROM sellometer.objects WHERE source = 's3' AND state = 'done' AND rows_counted = 1}),
	join(' ', sort map { s{^in/}{}r } @s3_keys), 'objects of a bucket, under the names that they have');
is($node->safe_psql('shop', q{SELECT count(*), count(DISTINCT product_id) FROM sellometer.remove_from_cart_product_id_minute WHERE product_id > 5000}),
	@s3_keys . '|' . @s3_keys, '... each with its own content');

is(join("\n", unexpected_in_log($node, qr/is listed with a key/)), '', 'nothing unexpected in the log');
$node->stop;
done_testing();
