#!/bin/sh
# Make a CA and a certificate for the gateway's names, with the extensions that Python 3.13 insists on: certificates.sh FOLDER
set -eu
mkdir -p "$1"
cd "$1"
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj "/CN=CA of the walls" -keyout ca.key -out ca.crt \
    -addext "keyUsage=critical,keyCertSign,cRLSign" 2>/dev/null
openssl req -newkey rsa:2048 -nodes -subj "/CN=walls.test" -keyout server.key -out server.csr 2>/dev/null
printf '%s\n' "basicConstraints=CA:FALSE" "authorityKeyIdentifier=keyid" "keyUsage=critical,digitalSignature,keyEncipherment" \
    "subjectAltName=DNS:index.walls.test,DNS:mirror.walls.test" >server.ext
openssl x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -extfile server.ext -out server.crt 2>/dev/null
