# client: aws-cli (botocore)
# family: Python
# looks: certifi, or botocore's copy
# given: the merged bundle, by AWS_CA_BUNDLE
install() { pip_install aws awscli; }
version() { py aws "$DIR/aws/bin/aws" --version; }
get() {
  AWS_MAX_ATTEMPTS=1 py aws "$DIR/aws/bin/aws" --region r --no-sign-request --endpoint-url "$ORIGIN/files" s3api get-object --bucket b --key k got >&2 && cat got
}
