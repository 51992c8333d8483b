# client: httpc with public_key:cacerts_get
# family: Erlang, Haskell
# looks: first of a list of bundles
# given: the merged bundle
install() { need erl erlang-inets; }
version() { erl -noshell -eval 'io:format("OTP ~s~n", [erlang:system_info(otp_release)]), halt().'; }
get() {
  erl -noshell -eval "
{ok, _} = application:ensure_all_started(ssl), {ok, _} = application:ensure_all_started(inets),
case httpc:request(get, {\"$ORIGIN/files/erlang\", []}, [{ssl, [{verify, verify_peer}, {cacerts, public_key:cacerts_get()}]}], []) of
  {ok, {_, _, Body}} -> io:format(\"~s~n\", [Body]), halt(0);
  E -> io:format(\"~p~n\", [E]), halt(1)
end."
}
