
=pod

=head1 NAME

SlmDocs - the blocks of code, headings and links of README.md and docs/

=head1 SYNOPSIS

  foreach my $block (docs_blocks("$root/docs/alerts.md")) { print $block->{body} if docs_way($block) eq 'here'; }

Needs nothing of PostgreSQL.

A block of sql, sh, console or conf is either run by test/t/093_docs.pl, in the order of the page, or a comment in the line before it says
what else is true of it:

  <!-- not run: why -->                 nobody runs it
  <!-- run by test/t/089_install.pl --> that test takes it from the page
  <!-- output varies: why -->           it is run, and only headings and words of its output are compared

C<< <!-- all run by test/t/059_uninstall.pl --> >> holds for all blocks of a page.  A block of text is no command: a picture, output alone.

=cut

package SlmDocs;

use strict;
use warnings FATAL => 'all';

use Exporter 'import';

our @EXPORT = qw(docs_text docs_pages docs_blocks docs_way docs_headings docs_links docs_code docs_calls docs_statements docs_masked);

=pod

=over

=item docs_text($path)

=cut

sub docs_text
{
	my ($path) = @_;

	open(my $file, '<:encoding(UTF-8)', $path) or die "can't read $path: $!";
	local $/ = undef;
	return scalar <$file>;
}

=pod

=item docs_pages($root)

README.md, CHANGELOG.md and all pages below docs/, relative to the root.

=cut

sub docs_pages
{
	my ($root) = @_;

	return map { substr($_, length($root) + 1) }
	  grep { -e $_ } "$root/README.md", "$root/CHANGELOG.md", sort(glob("$root/docs/*.md"), glob("$root/docs/*/*.md"));
}

=pod

=item docs_blocks($path)

All fenced blocks of a page: line (of the fence), kind ('' if the fence has none), body (without the indentation of the fence), marker
(what the comment before it says, or that of the page, or '').

=cut

sub docs_blocks
{
	my ($path) = @_;
	my $text = docs_text($path);
	my ($all) = $text =~ /^<!-- all (run by \S+) -->$/m;
	my ($block, @blocks);
	my ($line, $before) = (0, '');

	foreach my $l (split(/\n/, $text, -1))
	{
		$line++;
		if ($block)
		{
			if ($l =~ /^\s*```\s*$/) { push @blocks, $block; $block = undef; }
			else { $block->{body} .= ($l =~ s/^$block->{margin}//r) . "\n"; }
		}
		elsif ($l =~ /^(\s*)```(.*)$/)
		{
			my ($margin, $kind) = ($1, $2);
			my ($marker) = $before =~ /^\s*<!-- (.*) -->\s*$/;

			$block = { line => $line, kind => $kind, margin => $margin, body => '', marker => $marker // $all // '' };
		}
		$before = $l;
	}
	die "$path: the block of line $block->{line} has no end" if $block;
	return @blocks;
}

=pod

=item docs_way($block)

'text', 'not', 'elsewhere' (run by another test), 'here', or 'wrong' where its marker is none of those above.

=cut

sub docs_way
{
	my ($block) = @_;

	return 'text' if $block->{kind} eq 'text';
	return 'not' if $block->{marker} =~ /^not run: \S/;
	return 'elsewhere' if $block->{marker} =~ m{^run by test/t/\S+\.pl$};
	return 'here' if $block->{marker} eq '' || $block->{marker} =~ /^output varies: \S/;
	return 'wrong';
}

# The lines of a page that are not in blocks, with their numbers.
sub prose
{
	my ($path) = @_;
	my ($line, $inside, @lines) = (0, 0);

	foreach my $l (split(/\n/, docs_text($path)))
	{
		$line++;
		if ($l =~ /^\s*```/) { $inside = !$inside; }
		elsif (!$inside) { push @lines, [ $line, $l ]; }
	}
	return @lines;
}

=pod

=item docs_headings($path)

The anchors of a page's headings, as GitHub makes them.

=cut

sub docs_headings
{
	my ($path) = @_;
	my (%seen, @anchors);

	foreach (prose($path))
	{
		next unless $_->[1] =~ /^#+ +(.*?)\s*$/;
		my $anchor = lc($1 =~ s/\[([^\]]*)\]\([^)]*\)/$1/gr);

		$anchor =~ s/[^\w\- ]//g;
		$anchor =~ s/ /-/g;
		push @anchors, $anchor . ($seen{$anchor}++ ? "-" . ($seen{$anchor} - 1) : '');
	}
	return @anchors;
}

=pod

=item docs_links($path)

The links and pictures of a page that lead into this tree: [line, file as written ('' for the page itself), anchor or undef].

=cut

sub docs_links
{
	my ($path) = @_;
	my @links;

	foreach (prose($path))
	{
		my ($line, $l) = @$_;

		$l =~ s/`[^`]*`//g;
		while ($l =~ /\]\(([^)\s]+)\)/g)
		{
			my $target = $1;

			next if $target =~ /^[a-z]+:/;
			$target =~ /^([^#]*)(?:#(.*))?$/;
			push @links, [ $line, $1, $2 ];
		}
	}
	return @links;
}

=pod

=item docs_code($path)

What a page has in `…`: [line, text].

=cut

sub docs_code
{
	my ($path) = @_;

	return map { my ($line, $l) = @$_; map { [ $line, $_ ] } $l =~ /`([^`]+)`/g } prose($path);
}

=pod

=item docs_calls($path)

The rows of a page's tables that begin with a function and its file: [line, function, file].

=cut

sub docs_calls
{
	my ($path) = @_;

	return map { $_->[1] =~ /^\| `(\w+)\(\)` \| `([^`]+)` \|/ ? [ $_->[0], $1, $2 ] : () } prose($path);
}

=pod

=item docs_statements($block)

Of a block of console: what is typed, and what is printed then: { role => is it another than a superuser's, typed, printed }.

=cut

sub docs_statements
{
	my ($block) = @_;
	my @statements;

	foreach my $l (split(/\n/, $block->{body}))
	{
		if ($l =~ /^\w+=([#>]) (.*)$/) { push @statements, { reader => $1 eq '>', typed => "$2\n", printed => '' }; }
		elsif ($l =~ /^\w+-[#>] (.*)$/ && @statements && $statements[-1]{printed} eq '') { $statements[-1]{typed} .= "$1\n"; }
		elsif (@statements) { $statements[-1]{printed} .= "$l\n"; }
		else { die "line $block->{line}: a block of console begins with a prompt"; }
	}
	$_->{printed} =~ s/\n+\z/\n/ foreach (@statements);
	$_->{printed} =~ s/\A\n\z// foreach (@statements);
	return @statements;
}

=pod

=item docs_masked($printed)

What psql prints, without what differs from run to run: headings, and the words of notices and tags; and whether there are rows.

=back

=cut

sub docs_masked
{
	my ($printed) = @_;
	my @lines = split(/\n/, $printed);
	my @masked;

	while (@lines)
	{
		my $l = shift @lines;

		if (@lines && $lines[0] =~ /^-[-+]*-$/)
		{
			my $rows = 0;

			push @masked, join(' | ', map { s/^\s+|\s+$//gr } split(/\|/, $l));
			shift @lines;
			while (@lines && $lines[0] !~ /^\(\d+ rows?\)$|^\[\.\.\.\]$/) { shift @lines; $rows++; }
			push @masked, $rows ? 'rows' : 'no rows';
			shift @lines if @lines && $lines[0] =~ /^\(/;
			@lines = () if @lines && $lines[0] eq '[...]';
		}
		elsif ($l =~ /^-\[ RECORD \d+ \]/) { push @masked, 'record'; }
		elsif ($l =~ /^(\w+) +\| /) { push @masked, $1; }
		else { push @masked, $l =~ s/\d+/N/gr; }
	}
	return join("\n", @masked) . "\n";
}

1;
