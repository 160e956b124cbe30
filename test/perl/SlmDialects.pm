
=pod

=head1 NAME

SlmDialects - files of all dialects and with all defects, made of known rows

=head1 SYNOPSIS

  my $object = dialect_object(17);                # seed 17
  write_object($dir, $object->{key}, $object->{content});
  dialects_load($node, @objects);                 # what must come of them, into the oracle

=head1 WHAT IS RANDOM

An object is a few files that were put together; each has a header of its own, the one before it again, or none.  From the seed
come the rows, the columns and their order, and how all that is written: line ends, quotes, blanks, byte order marks, capitals,
words for nothing, forms of times, numbers and ids, lines for spreadsheets, comments, gzip members.  Some rows are bad, each
by one known reason; some objects are no use as a whole.

What must come of it is known from what was drawn, never by reading what was written.  Products, sessions, and nearly all brands
and categories are of one object only: the product is 1000 times the seed and a bit.

=cut

package SlmDialects;

use strict;
use warnings FATAL => 'all';

use Encode qw(decode encode);
use Exporter 'import';
use SlmRandom;
use SlmTest qw(gzipped);

our @EXPORT = qw(dialect_object dialect_rows);

my @REQUIRED = qw(event_time event_type product_id price);
my @OPTIONAL = qw(category_id category_code brand user_id user_session);
my @ALL = qw(event_time event_type product_id category_id category_code brand price user_id user_session);
my @BLANKS = (' ', ' ', "\t", "\xc2\xa0", "\xef\xbb\xbf", "\xe3\x80\x80", "\xe2\x80\x8b");
my @NOTHING = ('', '', '', 'nan', 'NaN', 'NULL', 'null', 'None', 'none', '\N', 'N/A', 'n/a', '-', '#N/A', '<NA>', 'undefined', '(null)');
my $MARK = "\xef\xbb\xbf";

# What makes a row a rejected one: the column, and texts that can't be used there.
my %BAD = (
	bad_time => [ 'event_time', '', '2019-02-30 00:00:00', '2019-10-01', '1569888000', 'yesterday', '2019-10-01 24:00:00',
		'NULL', '01.10.2019 00:00', '2019-10-01 00:00:00 CET', '1901-10-01 00:00:00' ],
	bad_event_type => [ 'event_type', '', 'buy', 'null', 'purchased', 'pur chase' ],
	bad_product_id => [ 'product_id', '', '-1', '7.5', 'x', '1e6', '9223372036854775808', 'nan', '1_000' ],
	bad_price => [ 'price', '', '-5', '1.23456', '1e3', '35,79', '"1,234.50"', '$5', 'inf', 'NaN', '1000000000000', '1.2.3', 'None', '+' ],
	bad_category_id => [ 'category_id', 'x', '7.5', '2.1e+18' ],
	bad_user_id => [ 'user_id', 'u-7', '1.5', '99999999999999999999' ],
	key_too_long => [ 'brand', 'x' x 1001, "\xc3\xa9" x 501 ],
	future => [ 'event_time', '2099-01-01 00:00:00', '9999-12-31T23:59:59Z' ],
	bad_encoding => [ undef, "caf\xe9", "a\0b", "\xed\xa0\x80", "\xff" ],
	column_count => [ undef, 'fewer', 'more' ],
	bad_quote => [ 'brand', '"ac"me', '"55 inch' ],
	too_long => [ 'user_session', 'x' x 1048577 ]);

# --- the known rows ---

sub brand_of
{
	my ($seed) = @_;

	return pick('', "b$seed", "B $seed", "b$seed, ltd", "TV 55\"$seed", "5\"$seed\"", "\"all\" $seed", "two\nlines, of\r\ntext $seed", "caf\xc3\xa9 $seed",
		"x\r$seed", "a,b,c,d,e,f,g\n1,2,3,4,5,6,7,$seed", "no\xc2\xa0break $seed", "null $seed", "NAN");
}

sub category_of
{
	my ($seed) = @_;

	return pick('', "c$seed", "c$seed.phone", "c$seed.a.b", "c$seed.a.b.d", "c$seed.\xc3\xa9", "c$seed.a, b", "c$seed.null", 'all.of.them');
}

# A row as it is to be counted; only what the columns can tell.
sub known_row
{
	my ($seed, $columns) = @_;
	my $second = int rand 3 * 3600;
	my %has = map { ($_ => 1) } @$columns;
	my %row = (
		event_time => sprintf('2019-10-01 %02d:%02d:%02d.%06d', $second / 3600, $second / 60 % 60, $second % 60, pick(0, 0, 0, 0, 1, 500_000, 123_456)),
		event_type => pick(qw(view view view view cart remove_from_cart purchase)),
		product_id => $seed * 1000 + int rand 9,
		category_id => pick('', $seed * 1000 + int(rand 3), '-' . $seed),
		category_code => category_of($seed),
		brand => brand_of($seed),
		price => sprintf('%d.%04d', pick(0, int rand 9, int rand 2000), pick(0, 5000, 100 * int rand 100, int rand 10000)),
		user_id => pick('', 1 + int rand 99),
		user_session => pick('', map { "f$seed-s$_" } 1 .. 6));

	return { map { ($_ => $has{$_} ? $row{$_} : '') } @ALL };
}

# --- how values are written ---

sub spell_time
{
	my ($time) = @_;
	my ($date, $h, $m, $s, $fraction) = $time =~ /^(\S+) (\d\d):(\d\d):(\d\d)\.(\d+)$/;
	my $minutes = pick(0, 0, 0, 0, 120, -330, 345);
	my $sign = $minutes < 0 ? '-' : '+';
	my $away = sprintf('%02d:%02d', abs($minutes) / 60, abs($minutes) % 60);
	my $local = $h * 60 + $m + $minutes;
	my $day = int(($local + 1440) / 1440) - 1;

	$fraction = $fraction == 0 ? pick('', '', '.0', '.000000') : '.' . ($fraction =~ s/0+$//r);
	$away =~ s/:// if chance(0.3);
	$date = '2019-09-30' if $day < 0;
	return $date . pick(' ', 'T') . sprintf('%02d:%02d:%s', ($local - $day * 1440) / 60, $local % 60, $s) . $fraction
	  . ($minutes != 0 ? pick('', ' ') . "$sign$away" : pick('', ' UTC', ' UTC', 'Z', ' GMT', '+00:00', ' +0000', "\xc2\xa0UTC"));
}

sub spell_price
{
	my ($price) = @_;
	my ($whole, $decimals) = $price =~ /^(\d+)\.(\d+)$/;

	$decimals =~ s/0+$// if chance(0.8);
	return pick($price, '+' . $price, "00$price", $price . '000000', $price =~ s/^0(?=\.)//r, "$whole$decimals" . 'e-' . length($decimals)) if $decimals ne '' && chance(0.3);
	# what floating point leaves
	return "$whole." . substr($decimals . '00000000000000', 0, 14) . pick(6, 1) if $decimals ne '' && chance(0.1);
	return pick($whole, "$whole.", "+$whole", "$whole.0", "$whole.00", $whole eq '0' ? ('-0.0', '0E+00', '1e-07') : ()) if $decimals eq '';
	return "$whole.$decimals";
}

sub spell_id
{
	my ($id) = @_;

	return $id eq '' ? '' : pick($id, $id, $id, "$id.0", "$id.000", "$id.", $id =~ s/^(-?)/${1}00/r, $id =~ s/^(?=\d)/+/r);
}

# Levels in other capitals, with blanks around, and empty ones among them.
sub spell_category
{
	my ($code) = @_;

	$code = pick($code, $code, uc($code), ucfirst($code)) if $code !~ /\xc3/;
	$code =~ s/\./pick('.', '.', ' . ', '..')/ge;
	return $code;
}

# A row's values as texts; style: see draw_style().
sub spelled
{
	my ($style, $row) = @_;
	my %text = %$row;

	$text{event_time} = $style->{plain} ? $text{event_time} =~ s/\.0+$//r : spell_time($text{event_time});
	return \%text if $style->{plain};
	$text{event_type} = pick($text{event_type}, $text{event_type}, uc($text{event_type}), ucfirst($text{event_type}));
	$text{price} = spell_price($text{price});
	$text{$_} = spell_id($text{$_}) foreach (qw(product_id category_id user_id));
	$text{category_code} = spell_category($text{category_code});
	foreach my $column (@OPTIONAL)
	{
		$text{$column} = pick(@{ $style->{nothing} }) if $text{$column} eq '';
	}
	return \%text;
}

# --- how lines are written ---

# How the lines of a file are written.
sub draw_style
{
	return {
		end => pick("\n", "\n", "\r\n", "\r", 'any'),
		quotes => pick('needed', 'needed', 'all', 'some'),
		bare => chance(0.5),	# a quote inside a field that does not begin with one is left as it is
		blanks => pick(0, 0, 0, 0.2, 1),
		empty_lines => pick(0, 0, 0.1),
		short => chance(0.5),	# fields that have no name, at the end, are left out
		commas => pick(0, 0, 0, 2),
		nothing => [ map { pick(@NOTHING) } 1 .. 2 ] };
}

# What a line with a quote that is to be misunderstood is written in: nothing else in it is odd.
my $PLAIN = { end => "\n", quotes => 'needed', bare => 1, blanks => 0, empty_lines => 0, commas => 0, nothing => [''], plain => 1 };

sub blank { my ($style) = @_; return chance($style->{blanks}) ? pick(@BLANKS) : ''; }
sub line_end { my ($style) = @_; return $style->{end} eq 'any' ? pick("\n", "\r\n", "\r") : $style->{end}; }

sub field
{
	my ($style, $text) = @_;
	my $quoted = $style->{quotes} eq 'all' || ($style->{quotes} eq 'some' && chance(0.3)) || $text =~ /[,\r\n]|^"/ || ($text =~ /"/ && !$style->{bare});

	$text = blank($style) . $text . blank($style);
	return $quoted ? '"' . $text =~ s/"/""/gr . '"' : $text;
}

# What a column that is not known holds.
sub unknown_text { return pick('', '-', '7', 'free text', 'a, b', "two\nlines", '"', 'price', 'x"y'); }

sub header_line
{
	my ($style, $columns) = @_;
	my $capitals = int rand 4;

	return join(',', map { field($style, $capitals == 0 ? uc : $capitals == 1 ? ucfirst : $_) } @$columns);
}

# The line of a row; bad, if given: the reason for which it must be rejected.
sub row_line
{
	my ($style, $columns, $row, $bad) = @_;
	my $text = spelled($style, $row);
	my ($column, @wrong) = @{ $BAD{ $bad // '' } // [] };
	my $wrong = pick(@wrong);
	my @fields;

	$column = pick(@REQUIRED) if defined $bad && $bad eq 'bad_encoding';
	foreach my $name (@$columns)
	{
		my $is_wrong = defined $column && $name eq $column;
		my $value = $is_wrong ? $wrong : exists $text->{$name} ? $text->{$name} : $style->{plain} ? '' : unknown_text();

		push @fields, $is_wrong && $bad eq 'bad_quote' ? $value : field($style, $value);
	}
	return join(',', @fields, 'x') if ($wrong // '') eq 'more';
	if (($wrong // '') eq 'fewer')
	{
		# not only of those behind the last name
		pop @fields while @fields > 1 && $columns->[$#fields] eq '';
		pop @fields;
		return join(',', @fields);
	}
	pop @fields while $style->{short} && $columns->[$#fields] eq '' && chance(0.7);
	return join(',', @fields) . (@fields == @$columns ? ',' x $style->{commas} : '');
}

# --- an object ---

# Its bytes so far, and where which row begins.
sub add { my ($object, $bytes) = @_; $object->{content} .= $bytes; return; }

sub add_row
{
	my ($object, $style, $columns, $bad, $row) = @_;

	$row //= known_row($object->{seed}, $columns);
	push @{ $object->{rows} }, { %$row, flaw => $bad // '', at => length($object->{content}) };
	add($object, row_line($style, $columns, $row, $bad));
	return;
}

sub draw_columns
{
	my @columns = shuffled(@REQUIRED, (grep { chance(0.8) } @OPTIONAL), @{ pick([], [], ['note'], [ 'note', 'x y' ], ["\xc3\xa9t\xc3\xa9"], ['']) });

	unshift @columns, '' if chance(0.1);
	push @columns, pick([''], [ '', '' ])->@* if chance(0.1);
	return \@columns;
}

# Reasons for which a row with these columns may be rejected.
sub reasons
{
	my ($object, $columns) = @_;
	my %has = map { ($_ => 1) } @$columns;

	return grep { ($_ ne 'too_long' || ($object->{seed} % 40 == 0 && !$object->{too_long}++)) && (!defined $BAD{$_}[0] || $has{ $BAD{$_}[0] }) } sort keys %BAD;
}

# Some rows under a header, each with its line end.
sub add_rows
{
	my ($object, $style, $columns, $n) = @_;

	for my $i (1 .. $n)
	{
		my $bad = chance($object->{badness}) ? pick(reasons($object, $columns)) : undef;
		my $odd = defined $bad && $bad =~ /^(bad_quote|too_long)$/;

		add_row($object, $odd ? $PLAIN : $style, $columns, $bad);
		add($object, line_end($style));
		# a quote that opens by mistake may find one that closes it in any line behind the next
		if ($odd)
		{
			my $row = known_row($object->{seed}, $columns);

			$row->{brand} = $row->{category_code} = '';
			add_row($object, $PLAIN, $columns, undef, $row);
			add($object, line_end($style));
		}
		add($object, pick('', '', ' ', "\t ", "\xc2\xa0") . line_end($style)) if chance($style->{empty_lines});
	}
	return;
}

# What may stand before a header.
sub add_preamble
{
	my ($object, $first) = @_;

	add($object, $MARK x ($first ? pick(0, 0, 1, 2) : pick(0, 0, 1)));
	add($object, pick('sep=,', 'SEP=,', '"sep=,"', 'sep=,,,,') . pick("\n", "\r\n")) if chance(0.1);
	return unless $first;
	add($object, pick("# by hand, \"or\" not\n", "#\r\n", "# event_time is in UTC\r", "# a,\"b\n", "  \n\n")) while (chance(0.1));
	return;
}

# One of the files that the object was put together from; returns its columns.
sub add_file
{
	my ($object, $columns, $nrows) = @_;
	my $style = draw_style();
	my $first = !defined $columns;

	push @{ $object->{borders} }, length $object->{content};
	if ($first || chance(0.7))
	{
		add_preamble($object, $first);
		$columns = draw_columns() if $first || chance(0.6);
		do { add($object, pick(('') x 19, $columns->[0] eq '' ? '' : '#') . header_line($style, $columns) . line_end($style)) } while (chance(0.1));
	}
	add_rows($object, $style, $columns, $nrows);
	return $columns;
}

# The last file lacks the end of its last line; or another follows it right there.
sub add_open_end
{
	my ($object, $columns) = @_;
	my @columns = ('event_time', grep { $_ ne 'event_time' && $_ ne '' } @$columns);
	my $followed = chance(0.5);
	my $row = known_row($object->{seed}, \@columns);

	$row->{brand} = $row->{category_code} = '';
	add($object, join(',', @columns) . "\n");
	add_row($object, $PLAIN, \@columns);
	add($object, "\n");
	add_row($object, $PLAIN, \@columns, undef, $row);
	return unless $followed;
	add($object, pick('', $MARK) . join(',', reverse(@columns)) . "\n") if $columns[-1] =~ /^(price|brand|product_id|user_session)$/;
	add($object, join(',', @columns) . "\n") if $columns[-1] !~ /^(price|brand|product_id|user_session)$/;
	@columns = reverse @columns if $columns[-1] =~ /^(price|brand|product_id|user_session)$/;
	add_row($object, $PLAIN, \@columns);
	return;
}

# --- gzip ---

sub zipped
{
	my ($object) = @_;
	my $content = $object->{content};
	my $how = pick(qw(plain plain plain one members anywhere));
	my @borders = $how eq 'members' ? @{ $object->{borders} } : $how eq 'anywhere' ? map { int rand(1 + length $content) } 1 .. 1 + int rand 4 : ();
	my $from = 0;
	my $result = '';

	return $content if $how eq 'plain';
	foreach my $border (sort { $a <=> $b } @borders, length $content)
	{
		$result .= gzipped(substr($content, $from, $border - $from));
		$result .= gzipped('') if chance(0.1);
		$result .= "\0" x pick(1, 100) if chance(0.05);
		$from = $border;
	}
	return $result;
}

# --- objects that are no use ---

# What spoils an object whole: the words with which it must fail, and what becomes of its content.
my @SPOILERS = (
	[ qr/gzip data ends too early/, sub { my $z = gzipped($_[0]); return substr($z, 0, length($z) - 1 - int rand 8); } ],
	[ qr/gzip data is damaged/, sub { my $z = gzipped($_[0]); substr($z, -8, 1) ^= "\x55"; return $z; } ],
	[ qr/something behind the gzip data/, sub { return gzipped($_[0]) . pick('x', "\n", "\0\0x", $_[0]); } ],
	[ qr/behind the rows stands gzip data/, sub { return pick($_[0], $_[0] =~ s/\n\z//r) . gzipped($_[0]); } ],
	[ qr/behind the rows stands a zip archive/, sub { return $_[0] . "PK\3\4\x14\0\0\0" . $_[0]; } ],
	[ qr/separated by semicolons/, sub { return $_[0] =~ tr/,/;/r; } ],
	[ qr/separated by tabs/, sub { return $_[0] =~ tr/\t/ /r =~ tr/,/\t/r; } ],
	[ qr/UTF-(16|32)/, sub { return encode(pick('UTF-16', 'UTF-16LE', 'UTF-16BE', 'UTF-32', 'UTF-32LE', 'UTF-32BE'), decode('UTF-8', $_[0])); } ],
	[ qr/zip archive/, sub { return "PK\3\4\x14\0\0\0" . $_[0]; } ],
	[ qr/zstd data (?:is damaged|ends too early)/, sub { return "\x28\xb5\x2f\xfd" . $_[0]; } ],
	[ qr/no header/, sub { return "2019-10-01 00:00:00,view,1,1.00\n" . $_[0]; } ],
	[ qr/lacks the required column "price"/, sub { return "event_time,event_type,product_id\n2019-10-01 00:00:00,view,1\n" . $_[0]; } ],
	[ qr/another header.*lacks the required column "product_id"/, sub { return $_[0] . "\nprice,event_time,event_type\n1,2019-10-01 00:00:00,view\n"; } ],
	[ qr/another header.*names column "brand" twice/, sub { return $_[0] . "\nprice,event_time,event_type,product_id,brand,brand\n"; } ],
	[ qr/another header.*lacks the required column "event_time"/, sub { return $_[0] . "\nzeit,typ,price,product_id\n2019-10-01 00:00:00,view,7,1002\n"; } ],
	[ qr/"event_time": its field 1 is written otherwise/, sub { return pick('Event Time', "'event_time'", 'EventTime', 'event-time') . ",event_type,product_id,price\n$_[0]"; } ],
	[ qr/all of it stands in quotes/, sub { return join('', map { '"' . s/"/""/gr . "\"\n" } split(/\n/, $_[0])); } ],
	[ qr/names column "price" twice/, sub { return "event_time,event_type,product_id,price,Price\n" . $_[0]; } ],
	[ qr/holds a line break/, sub { return "event_time,event_type,product_id,price,\"no\nte\"\n" . $_[0]; } ],
	[ qr/rows stand in the header line/, sub { return "event_time,event_type,product_id,price,note" . pick('', '\n', ',') . "2019-10-01 00:00:00,view\n" . $_[0]; } ]);

=pod

=head1 FUNCTIONS

=over

=item dialect_object($seed)

A hash: key, content (bytes), rows (hashes of what oracle.raw takes, flaw is the reason for which one must be rejected), fails
(undef, or a pattern of the error with which the object as a whole must fail).

=cut

sub dialect_object
{
	my ($seed) = @_;
	my %object = (seed => $seed, content => '', rows => [], borders => [], fails => undef);
	my ($columns, @lines);

	srand($seed);
	$object{badness} = pick(0, 0, 0.03, 0.06, 0.3);
	if (chance(0.15))
	{
		my ($pattern, $spoil) = @{ pick(@SPOILERS) };

		# plainly written: it must not fail for another reason first
		$columns = [ @REQUIRED, 'brand' ];
		add(\%object, header_line({ %$PLAIN, quotes => pick('needed', 'all') }, $columns) . "\n");
		foreach (1 .. 1 + int rand 9) { add_row(\%object, $PLAIN, $columns); add(\%object, "\n"); }
		@object{qw(content fails)} = ($spoil->($object{content}), $pattern);
	}
	else
	{
		$columns = add_file(\%object, $columns, pick(0, 1, int rand 30, int rand 30, 100 + int rand 200)) foreach (1 .. pick(1, 1, 2, 3, 4));
		add_open_end(\%object, $columns) if chance(0.3);
	}
	set_lines(\%object);
	$object{content} = zipped(\%object) unless defined $object{fails};
	$object{key} = "of-seed-$seed.csv" . pick('', '.gz', '.txt');
	return \%object;
}

# Say of each row in which line it begins.
sub set_lines
{
	my ($object) = @_;
	my ($at, $line) = (0, 1);

	foreach my $row (@{ $object->{rows} })
	{
		$line += () = substr($object->{content}, $at, $row->{at} - $at) =~ /\r\n|\r|\n/g unless defined $object->{fails};
		$at = $row->{at};
		$row->{line} = $line;
	}
	return;
}

=pod

=item dialect_rows(@objects)

All their rows as CSV for C<COPY oracle.raw (object, line, flaw, …)>, all columns in the usual order.

=back

=cut

sub dialect_rows
{
	my @objects = @_;

	return join('', map {
		my $object = $_;
		map { join(',', map { '"' . s/"/""/gr . '"' } $object->{key}, @$_{ qw(line flaw), @ALL }) . "\n" } @{ $object->{rows} }
	} @objects);
}

1;
