# docs/reference.md says what the catalog says, and leaves nothing out.
use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use SlmTest;
use Test::More;

my $root = slm_root();
my $node = slm_node('reference');
my $output = '';

{
	local %ENV = (%ENV, PGHOST => $node->host, PGPORT => $node->port, PGDATABASE => 'shop');
	delete $ENV{PGUSER};
	IPC::Run::run(["$root/script/reference"], '<', \undef, '>', \$output) or die 'script/reference failed';
}

my @expected = split(/\n/, $output);
my @committed = split(/\n/, slurp_file("$root/docs/reference.md"));
my ($i) = grep { ($expected[$_] // '') ne ($committed[$_] // '') } 0 .. (@expected > @committed ? $#expected : $#committed);
ok(!defined $i, 'docs/reference.md is up to date')
  or diag("script/demo --short; script/reference > docs/reference.md\nfirst difference, line "
	  . ($i + 1) . ":\ncommitted: " . ($committed[$i] // '(end)') . "\nexpected:  " . ($expected[$i] // '(end)'));

# Whatever users may call or read is named in it.
my $names = $node->safe_psql('shop', q{
	SELECT proname FROM pg_proc WHERE proname LIKE 'sellometer\_%'
		AND obj_description(oid, 'pg_proc') NOT LIKE 'for aggregate%' AND proname NOT LIKE '%validator'
	UNION SELECT name FROM pg_settings WHERE name LIKE 'sellometer.%'
	UNION SELECT relname FROM pg_class WHERE relnamespace = 'sellometer'::regnamespace AND relkind IN ('r', 'v')
		AND NOT relispartition AND relname !~ '(product_id|brand|category_l[123])'});

is(join(' ', grep { index($output, $_) < 0 } split(/\n/, $names)), '', 'nothing is left out');

$node->stop;
done_testing();
