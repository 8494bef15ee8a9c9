#!/bin/sh
# Publishes a built package as a Systems Manager document of type Package, in the
# account and Region of the AWS CLI's configuration.
set -eu

usage() {
    cat <<'E2'
usage: publish.sh --bucket BUCKET [--name ssm-doctor] [--dir dist/distributor]
                  [--prefix ssm-doctor] [--set-default] [--share ACCOUNT]... [--region REGION]...
                  [--keep-upload] [--dry-run]

  --set-default  make the new version the default one (hosts without a pinned version take it)
  --share        let another account use the document; repeat for more
  --region       publish there, and not in the Region of the configuration; repeat for more.
                 A document is one Region's: {region} in BUCKET is replaced by each
  --keep-upload  leave the files in the bucket; the service has its own copy
  --dry-run      print the commands that would change something, run none of them
E2
}

die() { printf 'publish.sh: %s\n' "$*" >&2; exit 1; }
# change runs a command that changes something, or prints it.
change() {
    if [ "$dry" = yes ]; then
        printf 'would run:'
        printf ' %s' "$@"
        printf '\n'
    else
        "$@"
    fi
}

# pinned prints the versions of the package that associations of this account and
# Region name; a node of such a ring could not be installed or repaired without it.
pinned() {
    ids=$(aws ssm list-associations --association-filter-list key=Name,value=AWS-ConfigureAWSPackage \
        --query 'Associations[].AssociationId' --output text) || return 1
    for id in $ids; do
        # Name, or ARN, and version, a tab between them.
        pin=$(aws ssm describe-association --association-id "$id" \
            --query 'AssociationDescription.Parameters.[name[0],version[0]]' --output text) || return 1
        of=${pin%%"$tab"*}
        [ "${of##*/}" != "${name##*/}" ] || printf '%s ' "${pin#*"$tab"}"
    done
}
tab=$(printf '\t')

regions='' bucket='' name=ssm-doctor dir=dist/distributor prefix=ssm-doctor default=no share='' keep=no dry=no
while [ $# -gt 0 ]; do
    case $1 in
    --bucket | --name | --dir | --prefix | --share | --region)
        [ $# -ge 2 ] || die "$1 needs a value"
        case $1 in
        --region)
            case $2 in '' | *[!a-z0-9-]*) die "--region needs the name of a Region" ;; esac
            regions="$regions $2"
            ;;
        --bucket) bucket=$2 ;;
        --name) name=$2 ;;
        --dir) dir=$2 ;;
        --prefix) prefix=$2 ;;
        --share)
            case $2 in '' | *[!0-9]*) die "--share needs an account number" ;; esac
            share="$share $2"
            ;;
        esac
        shift
        ;;
    --set-default) default=yes ;;
    --keep-upload) keep=yes ;;
    --dry-run) dry=yes ;;
    -h | --help) usage; exit 0 ;;
    *) usage >&2; exit 64 ;;
    esac
    shift
done
[ -n "$bucket" ] || { usage >&2; exit 64; }
here=$(cd "$(dirname "$0")" && pwd)
if [ -n "$regions" ]; then
    # Each Region by a run of its own; the first that fails ends it, and says which it was.
    set --
    [ "$default" = no ] || set -- "$@" --set-default
    [ "$keep" = no ] || set -- "$@" --keep-upload
    [ "$dry" = no ] || set -- "$@" --dry-run
    for account in $share; do set -- "$@" --share "$account"; done
    for region in $regions; do
        of=$(printf '%s' "$bucket" | sed "s/{region}/$region/g")
        printf '%s:\n' "$region"
        AWS_REGION=$region AWS_DEFAULT_REGION=$region sh "$here/publish.sh" --bucket "$of" --name "$name" --dir "$dir" --prefix "$prefix" "$@" ||
            die "$region failed; the Regions before it are done, those after it are not"
    done
    exit 0
fi
[ -f "$dir/manifest.json" ] || die "no manifest.json in $dir: build the package first"
command -v aws >/dev/null 2>&1 || die "the AWS CLI is not installed"

# The validator knows the rules of the service; with Go at hand they are tried first.
full=$(cd "$dir" && pwd)
if command -v go >/dev/null 2>&1; then
    (cd "$here" && go run . validate -name "$name" "$full") || die "the package is not valid"
else
    printf 'publish.sh: no go here, the package was not validated\n' >&2
fi

version=$(sed -n 's/^  "version": "\([A-Za-z0-9.]*\)",*$/\1/p' "$dir/manifest.json")
[ -n "$version" ] || die "no version in manifest.json"
source=s3://$bucket/$prefix/$version

change aws s3 cp "$dir/" "$source/" --recursive --exclude '*' --include '*.zip' --include manifest.json

status=$(aws ssm describe-document --name "$name" --query Document.Status --output text 2>&1) || {
    case $status in
    *InvalidDocument*) status=absent ;;
    *) die "describe-document: $status" ;;
    esac
}
if [ "$status" = absent ]; then
    change aws ssm create-document --name "$name" --document-type Package --document-format JSON \
        --content "file://$dir/manifest.json" --version-name "$version" --attachments "Key=SourceUrl,Values=$source" \
        --query DocumentDescription.DocumentVersion --output text
    document_version=1
else
    # A name of a version is given once: what nodes have installed must not change under it.
    known=$(aws ssm list-document-versions --name "$name" --query 'DocumentVersions[].[DocumentVersion,VersionName,IsDefaultVersion]' --output text)
    if printf '%s\n' "$known" | cut -f 2 | grep -qxF "$version"; then
        die "version $version of $name exists; versions are never replaced"
    fi
    # 25 versions fit; the oldest goes that is not the default and in no ring.
    if [ "$(printf '%s\n' "$known" | grep -c .)" -ge 25 ]; then
        pins=$(pinned) || die "25 versions, and which of them associations install cannot be told"
        oldest=$(printf '%s\n' "$known" | awk -F '\t' -v pins=" $pins " \
            'tolower($3) != "true" && !index(pins, " " $2 " ") {print $1}' | sort -n | head -n 1)
        [ -n "$oldest" ] || die "25 versions, and each is the default or installed by an association"
        change aws ssm delete-document --name "$name" --document-version "$oldest"
    fi
    # shellcheck disable=SC2016 # $LATEST is a word of the service
    document_version=$(change aws ssm update-document --name "$name" --document-version '$LATEST' --version-name "$version" \
        --content "file://$dir/manifest.json" --attachments "Key=SourceUrl,Values=$source" \
        --query DocumentDescription.DocumentVersion --output text)
    printf '%s\n' "$document_version"
fi
if [ "$dry" = yes ]; then
    exit 0
fi

# The service copies and checks the attachments before the version is usable.
tries=0
while :; do
    status=$(aws ssm describe-document --name "$name" --version-name "$version" --query '[Document.Status,Document.StatusInformation]' --output text)
    case $status in
    Active*) break ;;
    Failed*) die "the service refused the package: $status" ;;
    esac
    tries=$((tries + 1))
    [ "$tries" -lt 60 ] || die "still $status after 5 minutes"
    sleep "${PUBLISH_POLL_SECONDS:-5}"
done
[ "$keep" = yes ] || aws s3 rm "$source/" --recursive
if [ "$default" = yes ] && [ "$document_version" != 1 ]; then
    aws ssm update-document-default-version --name "$name" --document-version "$document_version" >/dev/null
fi
for account in $share; do
    aws ssm modify-document-permission --name "$name" --permission-type Share --account-ids-to-add "$account"
done
printf '%s %s is published as document version %s\n' "$name" "$version" "$document_version"
