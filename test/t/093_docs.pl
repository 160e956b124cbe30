# What README.md and docs/ say to type, typed: every block that no comment excepts (see SlmDocs), page by page and in the page's order, on a
# server of its own with made data.  What is printed must be what the page shows.
#
# SLM_DOCS_UPDATE=DIR: writes pages there with what was printed instead.
use strict;
use warnings FATAL => 'all';
use utf8;

use Encode qw(decode encode);
use File::Path qw(make_path);
use IPC::Run ();
use POSIX qw(strftime);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use SlmDocs;
use SlmTest;
use Test::More;

my $root = slm_root();
my ($node, $base);
# The places that pages name, and where they are here.
my %PLACE = ('/srv/sellometer/.demo/source' => 'events', '/srv/new-events' => 'new-events', '/srv/events' => 'events', '/srv/archive' => 'archive');

sub here { my ($text) = @_; foreach (sort { length($b) <=> length($a) } keys %PLACE) { $text =~ s{\Q$_\E(?![\w-])}{$base/$PLACE{$_}}g; } return $text; }
sub there { my ($text) = @_; $text =~ s{\Q$base\E/(new-events|events|archive)\b}{/srv/$1}g; return $text; }

# Run a program as a user would, from the server's directory; what it prints, in order.
sub printed
{
	my ($input, %options) = @_;
	my $output = '';
	local %ENV = (%ENV, PGHOST => $node->host, PGPORT => $node->port, PGDATABASE => 'shop', PGTZ => 'UTC', PGCLIENTENCODING => 'UTF8',
		PGOPTIONS => $options{reader} ? '-c role=mailer' : '', LC_ALL => 'C.UTF-8', BASE => $base);
	my @command = $options{shell} ? ('bash', '-e', '-c', "cd \"\$BASE\"\n" . encode('UTF-8', $input)) : qw(psql -X -v ON_ERROR_STOP=1);

	delete $ENV{PGUSER};
	my $ok = IPC::Run::run(\@command, '<', \($options{shell} ? '' : encode('UTF-8', $input)), '>&', \$output);
	$output = decode('UTF-8', $output) =~ s/^psql:<stdin>:\d+: //mgr;
	$output =~ s/[ \t]+$//mg;
	$output =~ s/\n+\z/\n/;
	return ($ok, $output);
}

# What is in the directory that a source watches is loaded, or has failed, or is late.
sub settle
{
	return if $node->safe_psql('shop', q{SELECT count(*) FROM sellometer.sources WHERE enabled}) eq '0';
	my $known = join(' AND ', map { "EXISTS (SELECT FROM sellometer.objects WHERE key = '" . s{.*/}{}r . "' AND size = " . (-s $_) . " AND state <> 'pending')" }
		glob("$base/events/*.csv"));
	wait_until($node, "SELECT $known") if $known ne '';
	return;
}

sub made { my @options = @_; traffic("$base/events", @options); return; }
sub watch { printed(here("SELECT sellometer_add_source('web', 'file:///srv/events/')")); settle(); printed('CALL sellometer_merge_backlog()'); return; }
sub put { my ($key, @lines) = @_; write_object("$base/events", $key, csv(@lines)); return; }

# Of what is usual in a shop: 2019-10-01, from midnight on.
sub usual
{
	my ($minutes, $rate, @options) = @_;

	made('--minutes' => $minutes, '--rate' => $rate, '--servers' => 2, '--products' => 2000, '--brands' => 100, '--seed' => 7, @options);
	return;
}

# Eight hours and a half of a shop with 60 telephones, each seen ten times as often as bought.  Then for twenty minutes all are listed under
# another category, nothing is bought, and one costs a tenth.
sub go_wrong
{
	my $session = 0;

	foreach my $ten (0 .. 51)
	{
		my $wrong = $ten >= 50;
		my @events;

		foreach my $i (0 .. 599)
		{
			my $minute = 10 * $ten + int($i / 60);
			my $product = 1002500 + $i % 60;
			my %event = (event_time => sprintf('2019-10-01 %02d:%02d:%02d', int($minute / 60), $minute % 60, $i % 60), product_id => $product,
				category_id => 2053013555631882655, category_code => $wrong ? 'construction.tools.light' : 'electronics.smartphone', brand => 'acme',
				price => $wrong && $product == 1002530 ? '36.90' : '368.95');

			push @events, event(%event, user_session => 's' . $session++);
			push @events, event(%event, user_session => 's' . $session++, event_type => 'purchase') if $i % 10 == $ten % 10 && !$wrong;
		}
		put(sprintf('2019-10-01-%02d-%02d-1.csv', int($ten / 6), $ten % 6 * 10), @events);
	}
	return;
}

# What each page needs to be there.  test/docs/check reads which pages these are.
my %SETUP = (
	'README.md' => sub { },
	'docs/getting-started.md' => sub {
		made('--start' => strftime('%Y-%m-%d %H:%M:00', gmtime(time() - 45 * 60)), '--minutes' => 44, '--rate' => 2000, '--products' => 2000, '--bad' => 0.001);
		watch();
	},
	'docs/sources-and-files.md' => sub { put('2019-10-01-00-07-1.csv', event(event_type => 'purchase')); },
	'docs/tiers-and-late-data.md' => sub {
		put("$_-00-1.csv", event(event_time => s/(.*)-(\d\d)/$1 $2:00:00/r, event_type => 'purchase')) foreach (qw(2019-09-01-11 2019-10-12-09 2019-10-14-06));
		watch();
	},
	'docs/alerts.md' => sub { go_wrong(); watch(); printed('CALL sellometer_detect()'); },
	'docs/carts-and-stock.md' => sub { usual(180, 4000); watch(); printed('CALL sellometer_detect()'); },
	'docs/mailer.md' => sub { },
	'docs/archive-and-replay.md' => sub { usual(255, 200); },
	'docs/operations.md' => sub { },
	'docs/scaling.md' => sub { usual(180, 200); watch(); },
	'docs/files.md' => sub { },
	'docs/formats.md' => sub { },
	'docs/grafana.md' => sub { },
	'docs/prometheus.md' => sub { },
	'docs/own-additions.md' => sub { },
);

# Is what was printed what the page shows?  "[...]" stands for whatever there is.
sub as_shown
{
	my ($shown, $printed) = @_;
	my $pattern = join('.*', map { quotemeta } split(/\[\.\.\.\]\n/, $shown, -1));

	return $printed =~ /\A$pattern\z/s;
}

# Type the statements of a block.  Returns the block with what was printed.
sub type_console
{
	my ($block, $where) = @_;
	my $varies = $block->{marker} =~ /^output varies/;
	my @typed;

	foreach my $s (docs_statements($block))
	{
		my ($ok, $printed) = printed(here($s->{typed}), reader => $s->{reader});
		my $prompt = $s->{reader} ? '>' : '#';
		my $as_shown;

		$printed = there($printed);
		$as_shown = $varies ? docs_masked($printed) eq docs_masked($s->{printed}) : as_shown($s->{printed}, $printed);
		ok($as_shown, encode('UTF-8', "$where: " . (split(/\n/, $s->{typed}))[0]))
		  or diag(encode('UTF-8', $varies ? docs_masked($printed) . '-- shown: ' . docs_masked($s->{printed}) : $printed));
		settle() if $s->{typed} =~ /^COPY/;
		push @typed, join('', map { my $p = $_ ? '-' : '='; "shop$p$prompt " . (split(/\n/, $s->{typed}))[$_] . "\n" } 0 .. ($s->{typed} =~ tr/\n//) - 1)
		  . ($as_shown ? $s->{printed} : $printed);
	}
	return join("\n", @typed);
}

sub type_block
{
	my ($block, $where) = @_;

	return type_console($block, $where) if $block->{kind} eq 'console';
	my ($ok, $printed) = printed(here($block->{body}), shell => $block->{kind} eq 'sh');
	ok($ok, "$where: $block->{kind}") or diag(encode('UTF-8', $printed));
	settle();
	return $block->{body};
}

sub update
{
	my ($page, $blocks) = @_;
	my $text = docs_text("$root/$page");

	foreach my $b (grep { exists $_->{new} } @$blocks)
	{
		my ($old, $new) = map { s/^(?=.)/$b->{margin}/mgr } @{$b}{qw(body new)};

		substr($text, index($text, $old), length($old), $new) if $new ne $old;
	}
	make_path("$ENV{SLM_DOCS_UPDATE}/docs");
	open(my $file, '>:encoding(UTF-8)', "$ENV{SLM_DOCS_UPDATE}/$page") or die $!;
	print $file $text;
	close($file) or die $!;
	return;
}

sub type_page
{
	my ($page, $n) = @_;
	my @blocks = docs_blocks("$root/$page");

	$node = slm_node("page$n", extension => 0, conf => "sellometer.poll_interval = 100ms\nfsync = off\ntimezone = 'UTC'\n");
	$base = $node->basedir;
	mkdir "$base/$_" or die "$base/$_: $!" foreach (qw(events archive));
	$node->safe_psql('postgres', 'CREATE EXTENSION pg_cron');
	$node->safe_psql('shop', 'CREATE EXTENSION sellometer');
	$SETUP{$page}->();
	foreach my $b (@blocks) { $b->{new} = type_block($b, "$page:$b->{line}") if docs_way($b) eq 'here'; }
	update($page, \@blocks) if defined $ENV{SLM_DOCS_UPDATE};
	$node->stop('immediate');
	return;
}

# What looks at blocks, links, files and functions can say no.
sub check_says
{
	my ($page, $text, $said) = @_;
	my $tree = PostgreSQL::Test::Utils::tempdir();
	my $output = '';

	make_path("$tree/docs", "$tree/test/t", "$tree/src/room");
	open(my $file, '>:encoding(UTF-8)', "$tree/test/t/093_docs.pl") or die $!;
	print $file "my %SETUP = (\n\t'docs/run.md' => 1,\n);\n";
	close($file) or die $!;
	foreach (['README.md', "# Top\n\n[run](docs/run.md), [not](docs/not.md)\n"], ['docs/run.md', "# Run\n"],
		['src/room/b.c', "static int\nb(void)\n{\n\treturn 1;\n}\n\nDatum\nsellometer_a(int x)\n{\n\treturn b();\n}\n"], ['docs/not.md', "# Not\n"], [$page, $text])
	{
		open(my $f, '>:encoding(UTF-8)', "$tree/$_->[0]") or die $!;
		print $f $_->[1];
		close($f) or die $!;
	}
	my $ok = IPC::Run::run([ "$root/test/docs/check", $tree ], '<', \undef, '>&', \$output);
	$said eq '' ? ok($ok && $output eq '', "$page: nothing to say") : like($output, qr/^\Q$page\E:\d+: .*$said/m, "$page: $said");
	diag($output) if $said eq '' && !$ok;
	return;
}

check_says('docs/run.md', "# Run\n\n```sql\nSELECT 1;\n```\n", '');
check_says('docs/not.md', "# Not\n\n<!-- not run: why -->\n```sql\nSELECT 1;\n```\n\n[up](../README.md#top)\n", '');
check_says('docs/not.md', "```sql\nSELECT 1;\n```\n", 'nothing runs this block');
check_says('docs/not.md', "<!-- not run: -->\n```sh\ntrue\n```\n", 'says nothing about a block');
check_says('docs/not.md', "<!-- run by test/t/093_docs.pl -->\n```sh\ntrue\n```\n", 'does not read not.md');
check_says('docs/run.md', "```\nSELECT 1;\n```\n", 'is no kind of block');
check_says('docs/run.md', "```console\nSELECT 1;\n```\n", 'begins with a prompt');
check_says('docs/run.md', "Do\n\n    make install\n", 'an indented block');
check_says('docs/run.md', "[x](none.md)\n", 'there is no none.md');
check_says('docs/run.md', "[x](not.md#gone)\n", 'no heading for #gone');
check_says('docs/run.md', "`src/none.c`\n", 'there is no src/none.c');
check_says('docs/run.md', "`none.c`\n", 'there is no none.c in src/');
check_says('docs/run.md', "`src/room/b.c`, `b.c`, `src/room/*.c`, `stdio.h` is not ours\n", 'there is no stdio.h in src/');
check_says('docs/run.md', "| `sellometer_a()` | `src/room/b.c` |\n| `b()` | `src/room/b.c` |\n", '');
check_says('docs/run.md', "| `sellometer_c()` | `src/room/b.c` |\n", 'has no function sellometer_c\\(\\)');
check_says('docs/run.md', "| `b()` | `src/room/b.c` |\n| `sellometer_a()` | `src/room/b.c` |\n", 'named before calls b\\(\\)');
check_says('docs/run.md', "| `sellometer_a()` | `src/room/b.c` |\n| `sellometer_a()` | `src/room/b.c` |\n", 'named in line 1 too');
check_says('docs/lone.md', "# Lone\n", 'no page leads here');
check_says('README.md', "# Top\n" . "x\n" x 200 . "[run](docs/run.md), [not](docs/not.md)\n", 'more than 200 lines');

my $n = 0;
my @only = split(/ /, $ENV{SLM_DOCS_ONLY} // '');
foreach my $page (sort keys %SETUP) { type_page($page, ++$n) if !@only || grep { $_ eq $page } @only; }
done_testing();
