package example;

import org.apache.commons.lang3.StringUtils;

public final class Build {
    public static void main(String[] args) {
        System.out.println(StringUtils.capitalize("cachex"));
    }
}
